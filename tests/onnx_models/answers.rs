//! A model of the matrix, its rows and ONNX Runtime's answers to them.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::Read,
    path::PathBuf,
};

use flate2::read::GzDecoder;
use modelgate::tensor::{Data, Tensor};
use serde::{Deserialize, de::DeserializeOwned};
use tar::Archive;

/// Everything in the archive that is kept beside the tests, or in the one that is named.
pub struct Matrix(HashMap<String, Vec<u8>>);

impl Matrix {
    pub fn read() -> Matrix {
        let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/onnx_models.tar.gz");
        let path = std::env::var_os("MODELGATE_MODELS").map_or(kept.into(), PathBuf::from);
        let mut files = HashMap::new();
        for entry in Archive::new(GzDecoder::new(File::open(path).unwrap())).entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().to_str().unwrap().to_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.insert(name, content);
        }
        Matrix(files)
    }

    pub fn manifest(&self) -> Manifest {
        self.json("manifest")
    }

    pub fn file(&self, model: &str) -> &[u8] {
        &self.0[&format!("{model}.onnx")]
    }

    pub fn answers(&self, model: &str) -> Answers {
        self.json(model)
    }

    fn json<T: DeserializeOwned>(&self, name: &str) -> T {
        serde_json::from_slice(&self.0[&format!("{name}.json")]).unwrap()
    }
}

#[derive(Deserialize)]
pub struct Manifest {
    pub onnxruntime: String,
    pub models: Vec<Listed>,
    pub skipped: Vec<Skipped>,
}

#[derive(Deserialize)]
pub struct Listed {
    pub name: String,
    pub rows: usize,
    pub opset: u32,
    pub operators: Vec<String>,
    pub tags: Vec<String>,
}

#[derive(Deserialize)]
pub struct Skipped {
    pub name: String,
    pub reason: String,
}

#[derive(Deserialize)]
pub struct Answers {
    pub inputs: BTreeMap<String, Stored>,
    pub outputs: BTreeMap<String, Stored>,
    pub kinds: Vec<String>,
}

#[derive(Deserialize)]
pub struct Stored {
    pub r#type: String,
    pub shape: Vec<usize>,
    values: Vec<serde_json::Value>,
}

impl Answers {
    /// The first rows, at no edge, unless they hold what a model refuses by default.
    pub fn ordinary(mut self) -> Option<Answers> {
        let all = self.kinds.len();
        self.kinds = self.kinds.into_iter().take_while(|kind| kind == "plain").collect();
        for stored in self.inputs.values_mut().chain(self.outputs.values_mut()) {
            let rows = stored.shape.first_mut().filter(|rows| **rows == all)?;
            *rows = self.kinds.len();
            stored.values.truncate(stored.shape.iter().product());
        }
        let finite = |stored: &Stored| match stored.tensor().data() {
            Data::F32(values) => values.iter().all(|value| value.is_finite()),
            Data::F64(values) => values.iter().all(|value| value.is_finite()),
            _ => true,
        };
        self.inputs.values().all(finite).then_some(self)
    }
}

impl Stored {
    /// The elements; floats stand as their bits.
    pub fn tensor(&self) -> Tensor {
        let ints = || self.values.iter().map(|value| value.as_i64().unwrap());
        let bits = || self.values.iter().map(|value| value.as_u64().unwrap());
        let data: Data = match &*self.r#type {
            "f32" => bits().map(|bits| f32::from_bits(bits as u32)).collect::<Vec<_>>().into(),
            "f64" => bits().map(f64::from_bits).collect::<Vec<_>>().into(),
            "i64" => ints().collect::<Vec<i64>>().into(),
            "i32" => ints().map(|int| int as i32).collect::<Vec<_>>().into(),
            "u8" => ints().map(|int| int as u8).collect::<Vec<_>>().into(),
            "bool" => self.values.iter().map(|v| v.as_bool().unwrap()).collect::<Vec<_>>().into(),
            "text" => {
                let texts = self.values.iter().map(|value| value.as_str().unwrap().into());
                texts.collect::<Vec<Box<str>>>().into()
            }
            other => panic!("{other}"),
        };
        Tensor::new(self.shape.clone(), data).unwrap()
    }
}
