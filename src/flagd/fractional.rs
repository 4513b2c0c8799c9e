//! `fractional`: a percentage split by the hash of a key.

use std::{fmt, ops::Deref};

use smallvec::SmallVec;

use super::{
    Fractional, cbor,
    coercion::integral,
    evaluate::{EvaluationFailed, Evaluator},
    expression::evaluate,
    operand::{Operand, Scope},
    operator::Operator,
    text::write_joined,
    trace::Tracer,
    tree::{BucketBy, Call, Expression, Split},
};
use crate::{
    flag::split::BucketRanges,
    hash::Murmur3,
    value::{Value, ValueRef},
};

/// What a split chose.
pub(super) enum Chosen<'s> {
    /// This share of those whose variants and weights are constants.
    Share(usize),
    Value(Operand<'s>),
}

const NOTHING: Chosen<'static> = Chosen::Value(Operand::NULL);

impl Split {
    /// The shares of a split by the targeting key, when they are constants.
    #[inline]
    pub(super) fn by_key(&self) -> Option<&BucketRanges> {
        match self.bucket_by {
            BucketBy::Implied | BucketBy::Key => self.shares.as_ref(),
            _ => None,
        }
    }

    /// The value of a share whose variant is a constant.
    pub(super) fn constant(&self, share: usize) -> Operand<'_> {
        let first = usize::from(!matches!(self.bucket_by, BucketBy::Implied));
        let value = match self.arguments.get(first + share) {
            Some(Expression::Constant(entry)) => entry.as_list().and_then(<[_]>::first),
            _ => None,
        };
        value.map_or(Operand::NULL, |value| Operand::Borrowed(value.borrow()))
    }
}

impl<'a, W: Tracer> Evaluator<'a, W> {
    #[inline]
    pub(super) fn split<'s>(
        &mut self,
        split: &'a Split,
        scope: Scope<'s>,
    ) -> Result<Chosen<'s>, EvaluationFailed>
    where
        'a: 's,
    {
        if let Some(shares) = split.by_key()
            && let Some(hash) = self.key_hash(split)
        {
            return Ok(self.place(split, shares, hash).map_or(NOTHING, Chosen::Share));
        }
        self.general(split, scope)
    }

    /// The hash by a targeting key that is there.
    #[inline(always)]
    pub(super) fn key_hash(&mut self, split: &Split) -> Option<u32> {
        let key = self.key.filter(|key| !key.is_empty())?;
        self.tracer.read(|| "targetingKey".to_owned(), Some(ValueRef::Text(key)));
        let mut hash = split.prefix;
        self.flag.settings.fractional.key(&mut hash, key);
        Some(hash.finish())
    }

    /// The share that a hash falls into.
    #[inline]
    pub(super) fn place<E: Deref<Target = [u32]>>(
        &mut self,
        split: &Split,
        shares: &BucketRanges<E>,
        hash: u32,
    ) -> Option<usize> {
        if let Fractional::V1 = self.flag.settings.fractional {
            return self.place_by_percent(split, shares, hash);
        }
        let bucket = shares.bucket(hash);
        let share = shares.of(bucket)?;
        let (from, to) = shares.bounds(share);
        let bounds = (from.into(), to.into());
        self.tracer.bucket(split.place, bucket.into(), bounds, shares.total().into());
        Some(share)
    }

    /// The first generation compares percentages in floats.
    fn place_by_percent<E: Deref<Target = [u32]>>(
        &mut self,
        split: &Split,
        shares: &BucketRanges<E>,
        hash: u32,
    ) -> Option<usize> {
        let percent = f64::from(hash as i32).abs() / f64::from(i32::MAX) * 100.0;
        let total = f64::from(shares.total());
        let mut end = 0.0;
        for share in 0..shares.len() {
            let (from, to) = shares.bounds(share);
            let start = end;
            end += 100.0 * f64::from(to - from) / total;
            if percent < end {
                self.tracer.bucket(split.place, percent, (start, end), 100.0);
                return Some(share);
            }
        }
        None
    }

    /// Splits that are not of the common form: computed keys, variants or weights.
    #[cold]
    pub(super) fn general<'s>(
        &mut self,
        split: &'a Split,
        scope: Scope<'s>,
    ) -> Result<Chosen<'s>, EvaluationFailed>
    where
        'a: 's,
    {
        let mut entries = &*split.arguments;
        let mut list_first = None;
        let hash = match split.bucket_by {
            BucketBy::Nothing => None,
            BucketBy::Listed => return self.listed(split, scope),
            BucketBy::Implied => self.implied(split),
            BucketBy::Key | BucketBy::First(_) => {
                let Some((first, rest)) = entries.split_first() else { return Ok(NOTHING) };
                entries = rest;
                match first {
                    Expression::Call(call) if call.operator == Operator::Cat => {
                        self.joined(split, call, scope)?
                    }
                    first => {
                        let value = evaluate(first, self, scope)?;
                        if value.is_list() {
                            // Not a key then, but the first share of a split by the implied one.
                            list_first = Some(value);
                            self.implied(split)
                        } else {
                            self.by_value(split, value.borrow())
                        }
                    }
                }
            }
        };
        if let (Some(shares), None) = (&split.shares, &list_first) {
            let share = hash.and_then(|hash| self.place(split, shares, hash));
            return Ok(share.map_or(NOTHING, Chosen::Share));
        }
        // Operators see evaluated arguments: an entry that fails fails the rule, key or no key.
        let mut shares = ComputedShares::new(self.flag.settings.fractional);
        if let Some(list) = list_first {
            shares.add_entry(list);
        }
        for entry in entries {
            self.entry(entry, scope, &mut shares)?;
        }
        Ok(self.choose_among(shares, split, hash))
    }

    /// A split whose only argument comes to the list of everything.
    fn listed<'s>(
        &mut self,
        split: &'a Split,
        scope: Scope<'s>,
    ) -> Result<Chosen<'s>, EvaluationFailed>
    where
        'a: 's,
    {
        let Some(written) = split.arguments.first() else { return Ok(NOTHING) };
        let value = evaluate(written, self, scope)?.into_value();
        let Some((first, rest)) = value.as_list().and_then(<[Value]>::split_first) else {
            return Ok(NOTHING);
        };
        let (hash, entries) = match first {
            Value::List(_) => (self.implied(split), value.as_list().unwrap_or_default()),
            key => (self.by_value(split, key.borrow()), rest),
        };
        let mut shares = ComputedShares::new(self.flag.settings.fractional);
        entries.iter().for_each(|entry| shares.add_entry(Operand::Owned(entry.clone())));
        Ok(self.choose_among(shares, split, hash))
    }

    /// Evaluates one `[variant, weight]`.
    fn entry<'s>(
        &mut self,
        entry: &'a Expression,
        scope: Scope<'s>,
        shares: &mut ComputedShares<'s>,
    ) -> Result<(), EvaluationFailed>
    where
        'a: 's,
    {
        let Expression::List(members) = entry else {
            shares.add_entry(evaluate(entry, self, scope)?);
            return Ok(());
        };
        let mut members = members.iter();
        let variant = members.next().map(|member| evaluate(member, self, scope)).transpose()?;
        let weight = match members.next() {
            Some(member) => weight(evaluate(member, self, scope)?.borrow(), shares.generation),
            None => Some(1),
        };
        for rest in members {
            evaluate(rest, self, scope)?;
        }
        shares.add(variant, weight);
        Ok(())
    }

    fn choose_among<'s>(
        &mut self,
        mut computed: ComputedShares<'s>,
        split: &Split,
        hash: Option<u32>,
    ) -> Chosen<'s> {
        let share = hash
            .filter(|_| computed.valid)
            .zip(BucketRanges::within(computed.weights))
            .and_then(|(hash, shares)| self.place(split, &shares, hash));
        match share {
            Some(share) if share < computed.variants.len() => {
                Chosen::Value(computed.variants.swap_remove(share))
            }
            _ => NOTHING,
        }
    }

    /// The hash by the flag's key and the targeting key, wherever that comes from.
    fn implied(&mut self, split: &Split) -> Option<u32> {
        let Some(ValueRef::Text(key)) = self.key().filter(|key| !matches!(key, ValueRef::Text("")))
        else {
            self.missing_key = true;
            return None;
        };
        let generation = self.flag.settings.fractional;
        let mut hash = match split.bucket_by {
            BucketBy::Implied => split.prefix,
            _ => generation.prefix(&self.flag.key),
        };
        generation.key(&mut hash, key);
        Some(hash.finish())
    }

    /// The hash by any value.
    fn by_value(&mut self, split: &Split, value: ValueRef<'_>) -> Option<u32> {
        if matches!(split.bucket_by, BucketBy::Key) {
            self.missing_key |= matches!(value, ValueRef::Null | ValueRef::Text(""));
        }
        let mut hash = Murmur3::new(0);
        match (self.flag.settings.fractional, value) {
            (Fractional::V3, ValueRef::Null) => return None,
            // As if there were no first argument.
            (_, ValueRef::Null) => return self.implied(split),
            (Fractional::V3, value) => cbor::value(&mut hash, value)?,
            (Fractional::V1 | Fractional::V2, ValueRef::Text(text)) => hash.write(text.as_bytes()),
            _ => return None,
        }
        Some(hash.finish())
    }

    /// The hash by joined text, which is never put together.
    fn joined(
        &mut self,
        split: &Split,
        call: &'a Call,
        scope: Scope<'_>,
    ) -> Result<Option<u32>, EvaluationFailed> {
        if matches!(split.bucket_by, BucketBy::First(true)) {
            self.missing_key |=
                matches!(self.key(), None | Some(ValueRef::Null | ValueRef::Text("")));
        }
        let parts = self.operands(call, scope)?;
        let mut hash = Murmur3::new(0);
        if let Fractional::V3 = self.flag.settings.fractional {
            let mut length = Length(0);
            write_joined(&parts, &mut length)?;
            cbor::text_head(&mut hash, length.0);
        }
        write_joined(&parts, &mut hash)?;
        Ok(Some(hash.finish()))
    }
}

/// The shares of a split whose variants or weights are computed.
struct ComputedShares<'s> {
    generation: Fractional,
    variants: SmallVec<[Operand<'s>; 8]>,
    /// As many as there are variants.
    weights: SmallVec<[u32; 8]>,
    /// Whether every entry so far was a variant with a weight: one that is not leaves the split
    /// without an answer.
    valid: bool,
}

impl<'s> ComputedShares<'s> {
    fn new(generation: Fractional) -> ComputedShares<'s> {
        let (variants, weights) = (SmallVec::new(), SmallVec::new());
        ComputedShares { generation, variants, weights, valid: true }
    }

    /// Adds an entry that only its value shows to be one.
    fn add_entry(&mut self, entry: Operand<'s>) {
        let weight = |value: Option<ValueRef<'_>>| match value {
            Some(value) => weight(value, self.generation),
            None => Some(1),
        };
        let (variant, weight) = match &entry {
            Operand::Borrowed(ValueRef::List(members)) => {
                (members.element(0).map(Operand::Borrowed), weight(members.element(1)))
            }
            Operand::Owned(Value::List(members)) => (
                members.first().cloned().map(Operand::Owned),
                weight(members.get(1).map(Value::borrow)),
            ),
            _ => (None, None),
        };
        self.add(variant, weight);
    }

    fn add(&mut self, variant: Option<Operand<'s>>, weight: Option<u32>) {
        let scalar = |variant: &Operand<'_>| {
            !matches!(variant.borrow(), ValueRef::List(_) | ValueRef::Map(_))
        };
        match (variant.filter(scalar), weight) {
            (Some(variant), Some(weight)) => {
                self.variants.push(variant);
                self.weights.push(weight);
            }
            _ => self.valid = false,
        }
    }
}

/// A weight: a whole number of at most 2^31 - 1; a negative one counts as zero. Before the third
/// generation, `null` is the weight of an entry that has none.
pub(super) fn weight(value: ValueRef<'_>, generation: Fractional) -> Option<u32> {
    if matches!(value, ValueRef::Null) && generation != Fractional::V3 {
        return Some(1);
    }
    if let ValueRef::Float(value) = value
        && value.is_finite()
        && value.fract() == 0.0
        && value < 0.0
    {
        return Some(0);
    }
    let weight = integral(value)?.max(0);
    u32::try_from(weight).ok().filter(|weight| *weight <= i32::MAX as u32)
}

impl Fractional {
    /// The hash of what stands before the targeting key when that is implied.
    pub(super) fn prefix(self, flag_key: &str) -> Murmur3 {
        let mut hash = Murmur3::new(0);
        match self {
            Fractional::V3 => {
                cbor::list(&mut hash, 2);
                cbor::text(&mut hash, flag_key);
            }
            Fractional::V1 | Fractional::V2 => hash.write(flag_key.as_bytes()),
        }
        hash
    }

    /// Adds the targeting key to a hash.
    #[inline(always)]
    fn key(self, hash: &mut Murmur3, key: &str) {
        match self {
            Fractional::V3 => cbor::text(hash, key),
            Fractional::V1 | Fractional::V2 => hash.write(key.as_bytes()),
        }
    }
}

/// Counts the bytes of text instead of keeping them.
struct Length(usize);

impl fmt::Write for Length {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}
