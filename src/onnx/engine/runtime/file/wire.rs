//! The fields of a protobuf message, one by one and undecoded, so that one place of a file can be
//! changed and every other byte kept.

/// One field of a message in protobuf's wire format.
pub(super) struct Field<'a> {
    pub(super) number: u64,
    /// Its tag, length and content, as they are in the message.
    pub(super) whole: &'a [u8],
    /// Its content, if it is a message, a string or bytes (wire type 2).
    pub(super) content: Option<&'a [u8]>,
}

/// The fields of a message; ends with a `None` where it is damaged.
pub(super) fn fields(message: &[u8]) -> impl Iterator<Item = Option<Field<'_>>> {
    let mut rest = message;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let field = next(&mut rest);
        if field.is_none() {
            rest = &[];
        }
        Some(field)
    })
}

fn next<'a>(rest: &mut &'a [u8]) -> Option<Field<'a>> {
    let start = *rest;
    let key = varint(rest)?;
    // The wire types: varint, 64 bits, length-delimited, 32 bits.
    let content = match key & 7 {
        0 => {
            varint(rest)?;
            None
        }
        1 => {
            take(rest, 8)?;
            None
        }
        2 => {
            let length = usize::try_from(varint(rest)?).ok()?;
            Some(take(rest, length)?)
        }
        5 => {
            take(rest, 4)?;
            None
        }
        _ => return None,
    };
    let whole = start.get(..start.len().checked_sub(rest.len())?)?;
    Some(Field { number: key >> 3, whole, content })
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(count)?;
    *rest = after;
    Some(taken)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Appends a field that holds a message, a string or bytes.
pub(super) fn append(number: u64, content: &[u8], message: &mut Vec<u8>) {
    append_varint(number << 3 | 2, message);
    append_varint(content.len() as u64, message);
    message.extend_from_slice(content);
}

fn append_varint(mut value: u64, message: &mut Vec<u8>) {
    while value >= 0x80 {
        message.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_its_fields() {
        let mut message = vec![0x08, 0x96, 0x01];
        append(15, &[7; 200], &mut message);
        message.extend([0x0d, 1, 2, 3, 4, 0x09, 1, 2, 3, 4, 5, 6, 7, 8]);
        let found: Vec<Field> = fields(&message).map(Option::unwrap).collect();
        assert_eq!(found.iter().map(|field| field.number).collect::<Vec<_>>(), [1, 15, 1, 1]);
        assert_eq!(found[1].content.unwrap(), [7; 200]);
        let again: Vec<u8> = found.iter().flat_map(|field| field.whole).copied().collect();
        assert_eq!(again, message);
    }

    #[test]
    fn a_cut_or_overlong_message_is_damaged() {
        let mut message = Vec::new();
        append(1, &[1; 10], &mut message);
        for end in 1..message.len() {
            assert!(fields(&message[..end]).any(|field| field.is_none()), "{end}");
        }
        let overlong = [0xff; 11];
        assert!(fields(&overlong).any(|field| field.is_none()));
    }
}
