//! The operators' names.

macro_rules! operators {
    ($($operator:ident = $name:literal,)*) => {
        /// An operator of JSONLogic, or one of flagd's own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Operator {
            $($operator,)*
        }

        impl Operator {
            pub(super) fn named(name: &str) -> Option<Operator> {
                match name {
                    $($name => Some(Operator::$operator),)*
                    _ => None,
                }
            }

            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Operator::$operator => $name,)*
                }
            }
        }
    };
}
operators! {
    If = "if",
    Ternary = "?:",
    And = "and",
    Or = "or",
    Not = "!",
    Truth = "!!",
    Equal = "==",
    NotEqual = "!=",
    StrictEqual = "===",
    StrictNotEqual = "!==",
    Below = "<",
    AtMost = "<=",
    Above = ">",
    AtLeast = ">=",
    In = "in",
    Cat = "cat",
    Substr = "substr",
    Add = "+",
    Subtract = "-",
    Multiply = "*",
    Divide = "/",
    Modulo = "%",
    Min = "min",
    Max = "max",
    Merge = "merge",
    Missing = "missing",
    MissingSome = "missing_some",
    Map = "map",
    Filter = "filter",
    Reduce = "reduce",
    Every = "all",
    Some = "some",
    None = "none",
    Var = "var",
    Fractional = "fractional",
    SemVer = "sem_ver",
    StartsWith = "starts_with",
    EndsWith = "ends_with",
}
