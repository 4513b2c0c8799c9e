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
    // These are no JSONLogic; only flagd's Go core has them.
    Abs = "abs",
    Set = "set",
    ContainsAll = "contains_all",
    ContainsAny = "contains_any",
    ContainsNone = "contains_none",
}

impl Operator {
    /// Whether the operator goes through a list with a rule for each element.
    pub(super) fn goes_through(self) -> bool {
        use Operator::{Every, Filter, Map, None, Reduce, Some};
        matches!(self, Map | Filter | Reduce | Every | Some | None)
    }

    /// Whether the operator answers with a boolean, or with nothing.
    pub(super) fn is_test(self) -> bool {
        use Operator as Is;
        matches!(
            self,
            Is::Not
                | Is::Truth
                | Is::Equal
                | Is::NotEqual
                | Is::StrictEqual
                | Is::StrictNotEqual
                | Is::Below
                | Is::AtMost
                | Is::Above
                | Is::AtLeast
                | Is::In
                | Is::Every
                | Is::Some
                | Is::None
                | Is::SemVer
                | Is::StartsWith
                | Is::EndsWith
                | Is::ContainsAll
                | Is::ContainsAny
                | Is::ContainsNone
        )
    }
}
