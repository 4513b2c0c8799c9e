//! The settings that the sources of servers have in common.

/// Writes the setters that the sources of servers share, so that all take the same and behave alike.
///
/// Each keeps its documentation where it is listed, for defaults differ from vendor to vendor. After
/// `=>` comes the field that it sets.
macro_rules! setters {
    ($source:ident: $($(#[$doc:meta])* $setter:ident $(($detail:ident))? => $($field:ident).+;)+) => {
        $($crate::source::setters! {
            @$setter $source, [$(#[$doc])*], [$($detail)?], [$($field).+]
        })+
    };
    (@name $source:ident, [$($doc:tt)*], [], [$($field:tt)+]) => {
        $($doc)*
        pub fn name(mut self, name: impl Into<std::borrow::Cow<'static, str>>) -> $source {
            self.$($field)+ = name.into();
            self
        }
    };
    (@interval $source:ident, [$($doc:tt)*], [], [$($field:tt)+]) => {
        $($doc)*
        pub fn interval(mut self, interval: std::time::Duration) -> $source {
            self.$($field)+ = interval;
            self
        }
    };
    (@retry $source:ident, [$($doc:tt)*], [], [$($field:tt)+]) => {
        $($doc)*
        pub fn retry(
            mut self,
            first: std::time::Duration,
            max: std::time::Duration,
        ) -> $source {
            self.$($field)+ = $crate::source::network::Retry { first, max };
            self
        }
    };
    (@silence $source:ident, [$($doc:tt)*], [], [$($field:tt)+]) => {
        $($doc)*
        pub fn silence(mut self, silence: std::time::Duration) -> $source {
            self.$($field)+ = silence;
            self
        }
    };
    (@settings $source:ident, [$($doc:tt)*], [], [$($field:tt)+]) => {
        $($doc)*
        pub fn settings(mut self, settings: $crate::source::HttpSettings) -> $source {
            self.$($field)+ = settings;
            self
        }
    };
    // The detail is the vendor's dialect.
    (@dialect $source:ident, [$($doc:tt)*], [$dialect:ident], [$($field:tt)+]) => {
        $($doc)*
        pub fn dialect(mut self, dialect: $dialect) -> $source {
            self.$($field)+ = dialect;
            self
        }
    };
    // The detail is the parameter's name: what the vendor calls its document.
    (@bootstrap $source:ident, [$($doc:tt)*], [$document:ident], [$($field:tt)+]) => {
        $($doc)*
        pub fn bootstrap(mut self, $document: impl Into<String>) -> $source {
            self.$($field)+ = Some($document.into());
            self
        }
    };
    (@last_known_good $source:ident, [$($doc:tt)*], [], [$($field:tt)+]) => {
        $($doc)*
        pub fn last_known_good(mut self, path: impl Into<std::path::PathBuf>) -> $source {
            self.$($field)+ = Some($crate::source::LastKnownGood::at(path));
            self
        }
    };
}

pub(crate) use setters;
