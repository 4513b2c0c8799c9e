//! What conditions look at: traits, paths of every form, and other flags.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::traits::SHADOWED;
use crate::random::Random;

/// How a property is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    Empty,
    Trait,
    Shadowed,
    Member,
    Bracket,
    Wildcard,
    Descendant,
    Filter,
    Index,
    Union,
    Invalid,
    Flags,
}

impl Form {
    /// The forms that are paths.
    pub const PATHS: [Form; 9] = [
        Form::Member,
        Form::Bracket,
        Form::Wildcard,
        Form::Descendant,
        Form::Filter,
        Form::Index,
        Form::Union,
        Form::Invalid,
        Form::Flags,
    ];

    /// The paths of a form. `F`, `S` and `T` stand for a feature's name, a segment's key and a
    /// trait's name.
    pub fn paths(self) -> &'static [&'static str] {
        match self {
            Form::Empty | Form::Trait | Form::Shadowed => &[],
            Form::Member => &[
                "$.identity.identifier",
                "$.identity.key",
                "$.environment.name",
                "$.environment.key",
                "$.identity.traits.T",
                "$.features.F.value",
                "$.features.F.enabled",
                "$.features.F.key",
                "$.features.F.priority",
                "$.identity.absent",
                "$.identity.traits",
                "$.environment",
                "$.segments",
            ],
            Form::Bracket => &[
                "$.identity['identifier']",
                "$.identity[\"key\"]",
                "$.environment['name']",
                "$.environment[ 'key' ]",
                "$.identity.traits['T']",
                "$.identity['traits'][\"T\"]",
                "$.features['F'].value",
                "$.features[\"F\"]['enabled']",
                "$.segments['S'].name",
                "$.segments['S']['key']",
                "$.environment['n\\u0061me']",
                "$.identity.traits['it\\'s']",
                "$.identity.traits[\"it's\"]",
                "$.identity.traits[\"a\\\"b\"]",
                "$.identity.traits['a\"b']",
                "$.identity.traits['a.b']",
                "$.identity.traits.é",
                "$.identity .identifier",
                "$.identity\n['key']",
                "$.identity.traits['T'] ",
                "$.identity.traits.odd name",
                "$.identity.traits. T",
                "$.features['F'].metadata.feature_type",
                "$.features['F'].metadata.feature_id",
                "$.segments['S'].metadata.source",
            ],
            Form::Wildcard => &[
                "$.environment.*",
                "$.environment[*]",
                "$.identity.*",
                "$.segments.*.name",
                "$.segments[*].rules[*].type",
                "$.*.name",
                "$.*.*",
                "$.*",
                "$.features['F'].variants[*].weight",
                "$.features.*.name",
                "$.identity.traits.*",
            ],
            Form::Descendant => &[
                "$..name",
                "$..identifier",
                "$..['key']",
                "$.environment..name",
                "$.identity..identifier",
                "$.segments..operator",
                "$.segments..type",
                "$.identity..*",
                "$..rules[0].type",
                "$.features['F']..weight",
            ],
            Form::Filter => &[
                "$.segments[?@.name=='segment_1'].key",
                "$.segments[?@.key==\"S\"].name",
                "$.segments[?(@.name)].name",
                "$.segments[?!@.absent].name",
                "$.segments[?@.name=='absent' || @.key=='S'].name",
                "$.segments[?@.name!='absent' && @.key=='S'].name",
                "$.environment[?@=='Production']",
                "$.environment[?length(@)>3]",
                "$.environment[?@>='Production']",
                "$.features[?@.name=='F'].value",
                "$.features['F'].variants[?@.weight>=50].weight",
                "$.features['F'].variants[?@.weight<100.0].weight",
                "$.segments[?count(@.rules[*])>0].name",
                "$.segments[?match(@.name,'segment_.*')].key",
                "$.segments[?search(@.name,'_')].key",
                "$.identity[?@==$.identity.identifier]",
                "$.identity[?value(@)=='nobody']",
                "$.features[?@.enabled==true && @.name=='F'].name",
                "$.features[?@.value==null && @.name=='F'].key",
                "$.features[?@.name=='F'].variants[?@.value==true].weight",
                "$.features['F'].variants[?@.weight>1e1].weight",
                "$.features['F'].variants[?@.key<'b'].key",
                "$.features['F'].variants[?!(@.priority>=1 || @.key)].weight",
                "$.segments[?@.rules[0].type=='ALL'].name",
                "$.segments[?@.rules[?@.type=='ALL']].name",
                "$.segments[?@['key']=='S']['name']",
                "$.segments[?length(@.name)>=9].key",
                "$.segments[?length(@.rules)==2].key",
                "$.segments[?@.overrides[*].enabled].name",
                "$.segments[? @.name == 'segment_S' ].name",
                "$.environment[?@==$.environment.name]",
                "$.environment[?match(@, 'Prod.*')]",
                "$.environment[?search(@, '(')]",
                "$.environment[?@.name]",
            ],
            Form::Index => &[
                "$.segments['S'].rules[0].type",
                "$.segments['S'].rules[-1].type",
                "$.segments['S'].rules[0:1].type",
                "$.segments['S'].rules[::-1].type",
                "$.segments['S'].rules[1:].type",
                "$.segments['S'].rules[7].type",
                "$.segments['S'].rules[0].conditions[0].operator",
                "$.segments['S'].rules[0].conditions[0].property",
                "$.segments['S'].overrides[0].name",
                "$.features['F'].variants[0].weight",
                "$.features['F'].variants[-1:].weight",
                "$.features['F'].variants[::2].weight",
            ],
            Form::Union => &[
                "$.environment['name','key']",
                "$.environment['key', 'name']",
                "$.identity['absent','identifier']",
                "$.features['F']['enabled','value']",
                "$.segments['S'].rules[7,0].type",
            ],
            Form::Invalid => &[
                "$.",
                "$.identity.",
                "$.[",
                "$.identity traits",
                "$..",
                "$.identity['identifier",
                "$.identity['identifier']x",
                "$.1",
                "$.identity[01]",
                "$.identity.identifier ",
                "$. identity.identifier",
                "$.identity.identifier)",
                "$.segments[?",
                "$.segments[?@.name=]",
                "$.identity[identifier]",
                "$.environment['na\\me']",
            ],
            Form::Flags => &[
                "$.flags.F.enabled",
                "$.flags.F.value",
                "$.flags.F.variant",
                "$.flags['F'].enabled",
                "$.flags[\"F\"]['value']",
                "$.flags.F['variant']",
                "$.flags.F.reason",
                "$.flags.F.name",
                "$.flags.F",
                "$.flags",
                "$.flags.*",
                "$.flags[*].enabled",
                "$.flags.F.*",
                "$.flags.F..enabled",
                "$.flags.F['variant','value','enabled']",
                "$.flags['F','G'].enabled",
                "$.flags.absent.enabled",
                "$.flags.absent",
                "$.flags..enabled",
                "$.flagsmith",
                "$.flags .F.enabled",
                "$.flags.F.absent",
                "$.flags.F.metadata.feature_type",
                "$.flags['F'].metadata['feature_id']",
                "$.flags.F[?@=='F']",
                "$.flags[?@.name=='F'].value",
                "$.flags..F.enabled",
                "$.flags.F .value",
            ],
        }
    }

    /// The paths of which at least one is expected to lead somewhere, in some case.
    pub fn leads(path: &str) -> bool {
        const NOWHERE: &[&str] = &[
            "$.features.F.priority",
            "$.identity.absent",
            "$.identity.traits",
            "$.environment",
            "$.segments",
            "$.*",
            "$.segments['S'].rules[7].type",
            "$.identity[?value(@)=='nobody']",
            "$.flags.F",
            "$.flags",
            "$.flags.*",
            "$.flags[*].enabled",
            "$.flags['F','G'].enabled",
            "$.flags.absent.enabled",
            "$.flags.absent",
            "$.flags..enabled",
            "$.flagsmith",
            "$.flags.F.absent",
            "$.flags[?@.name=='F'].value",
            "$.flags..F.enabled",
            "$.identity.traits. T",
            "$.identity.traits['T'] ",
            "$.environment[?search(@, '(')]",
            "$.environment[?@.name]",
        ];
        !NOWHERE.contains(&path) && !Form::Invalid.paths().contains(&path)
    }
}

/// A path with names in it, and where it came from.
pub struct Named {
    pub path: String,
    pub template: &'static str,
}

/// What names the paths of a case can hold.
pub struct Names<'n> {
    pub features: &'n [String],
    pub segments: &'n [String],
    pub context: &'n Map<String, Json>,
}

impl Names<'_> {
    pub fn fill(&self, random: &mut Random, template: &'static str) -> Named {
        let feature = random.of(self.features).clone();
        let segment = random.of(self.segments).clone();
        let own = self.traits();
        let absent = "absent".to_owned();
        let name = if own.is_empty() || random.chance(0.2) { &absent } else { random.of(&own) };
        // Only a short name can stand behind a dot.
        let name = if template.ends_with(".T") && !name.chars().all(char::is_alphanumeric) {
            "region"
        } else {
            name
        };
        // Quotation marks in the name would end it.
        let name = if name.contains(['\'', '"']) { "age" } else { name };
        let path = template
            .split_inclusive(|letter: char| !letter.is_ascii_alphanumeric())
            .map(|word| {
                let letters = word.trim_end_matches(|letter: char| !letter.is_ascii_alphanumeric());
                let rest = &word[letters.len()..];
                match letters {
                    "F" => format!("{feature}{rest}"),
                    "S" => format!("{segment}{rest}"),
                    "T" => format!("{name}{rest}"),
                    _ => word.to_owned(),
                }
            })
            .collect();
        Named { path, template }
    }

    fn traits(&self) -> Vec<String> {
        let traits = self.context.get("identity").and_then(|identity| identity.get("traits"));
        traits
            .and_then(Json::as_object)
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Any property.
    pub fn any(&self, random: &mut Random) -> String {
        let own: Vec<String> =
            self.traits().into_iter().filter(|name| !name.starts_with("$.")).collect();
        let form = match random.below(100) {
            0..48 => Form::Trait,
            48..54 => Form::Empty,
            54..58 => Form::Shadowed,
            58..68 => Form::Member,
            68..74 => Form::Bracket,
            74..76 => Form::Wildcard,
            76..78 => Form::Descendant,
            78..82 => Form::Filter,
            82..84 => Form::Index,
            84..85 => Form::Union,
            85..88 => Form::Invalid,
            _ => Form::Flags,
        };
        match form {
            Form::Trait if own.is_empty() || random.chance(0.15) => "absent".to_owned(),
            Form::Trait => random.of(&own).clone(),
            Form::Empty => String::new(),
            Form::Shadowed => random.of(SHADOWED).to_string(),
            // Mostly the three that are meant to be read.
            Form::Flags if random.chance(0.6) => {
                let template = random.of(&Form::Flags.paths()[..3]);
                self.fill(random, template).path
            }
            form => {
                let template = random.of(form.paths());
                self.fill(random, template).path
            }
        }
    }
}

/// Every template, by its form.
pub fn templates() -> BTreeMap<&'static str, Form> {
    let forms = Form::PATHS.into_iter();
    forms.flat_map(|form| form.paths().iter().map(move |path| (*path, form))).collect()
}
