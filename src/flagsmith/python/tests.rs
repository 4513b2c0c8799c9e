use super::*;

#[test]
fn integers_are_compared_by_their_size_whatever_that_is() {
    let texts = [
        "-99999999999999999999",
        "-9223372036854775809",
        "-9223372036854775808",
        "-8",
        "-07",
        "-0",
        "7",
        "+08",
        "9223372036854775807",
        "9223372036854775808",
        "99999999999999999999",
    ];
    for (place, text) in texts.iter().enumerate() {
        let held = text.strip_prefix('+').unwrap_or(text);
        for (other, constant) in texts.iter().enumerate() {
            let constant = Constant::new((*constant).into());
            for (comparison, expected) in [
                (Comparison::Equal, place == other),
                (Comparison::NotEqual, place != other),
                (Comparison::Greater, place > other),
                (Comparison::GreaterOrEqual, place >= other),
                (Comparison::Less, place < other),
                (Comparison::LessOrEqual, place <= other),
            ] {
                let found = constant.holds(comparison, PythonValue::of_text(held));
                assert_eq!(found, expected, "{text} {comparison:?} {constant:?}");
            }
        }
    }
}

#[test]
fn a_trait_has_the_text_that_python_gives_it() {
    let shown = [
        (PythonValue::Float(1.0), "1.0"),
        (PythonValue::Float(2.5), "2.5"),
        (PythonValue::Float(1e21), "1e+21"),
        (PythonValue::Float(1e16), "1e+16"),
        (PythonValue::Float(123_456_789_012_345.0), "123456789012345.0"),
        (PythonValue::Float(1.5e-7), "1.5e-07"),
        (PythonValue::Float(0.0001), "0.0001"),
        (PythonValue::Float(0.000_05), "5e-05"),
        (PythonValue::Float(-0.0), "-0.0"),
        (PythonValue::Bool(true), "True"),
        (PythonValue::of_text("007"), "7"),
        (PythonValue::of_text("-0"), "0"),
        (PythonValue::of_text("3.50"), "3.5"),
        (
            PythonValue::of_text("00123456789012345678901234567890"),
            "123456789012345678901234567890",
        ),
        (PythonValue::of_text("1e5"), "1e5"),
        (PythonValue::of_text("+5"), "+5"),
        (PythonValue::of_text(".5"), ".5"),
        (PythonValue::of_text("5."), "5."),
    ];
    for (held, expected) in shown {
        held.with_text(|text| assert_eq!(text, expected, "{held:?}"));
    }
}
