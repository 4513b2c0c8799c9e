//! Changes to an ONNX file that leave it one: a number, a name, a shape or a node at a time.

use prost::Message;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto,
    tensor_shape_proto::dimension::Value as Size, type_proto::Value as Type,
};

/// Small numbers, and those at which arithmetic breaks.
const INTS: [i64; 16] = [
    -1,
    0,
    1,
    2,
    3,
    7,
    64,
    255,
    65_536,
    1 << 31,
    (1 << 31) - 1,
    1 << 40,
    i64::MAX,
    i64::MIN,
    -2,
    1_000_000,
];
const FLOATS: [f32; 8] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, 1e30, 1e-40, 1e9];

/// A source of choices: splitmix64.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn of<'a, T>(&mut self, all: &'a mut [T]) -> Option<&'a mut T> {
        let place = self.below(all.len());
        all.get_mut(place)
    }
}

/// The file with one to three changes, or nothing if it is no ONNX file.
pub fn damage(bytes: &[u8], seed: u64) -> Option<Vec<u8>> {
    let mut model = ModelProto::decode(bytes).ok()?;
    let chance = &mut Chance(seed);
    for _ in 0..=chance.below(3) {
        let graph = model.graph.as_mut()?;
        match chance.below(10) {
            0..=4 => node(graph, chance),
            5 | 6 => tensor(chance.of(&mut graph.initializer), seed),
            7 => value_type(graph, chance),
            8 => graph.node.rotate_left(usize::from(!graph.node.is_empty())),
            _ => {
                if let Some(opset) = chance.of(&mut model.opset_import) {
                    opset.version = 1 + chance.below(24) as i64;
                }
            }
        }
    }
    Some(model.encode_to_vec())
}

fn node(graph: &mut GraphProto, chance: &mut Chance) {
    let other = chance.of(&mut graph.node).cloned();
    let names: Vec<String> = graph.node.iter().flat_map(|node| node.output.clone()).collect();
    let Some(node) = chance.of(&mut graph.node) else { return };
    match chance.below(7) {
        0..=3 => attribute(node, other, chance),
        4 => node.op_type = other.map_or_else(String::new, |other| other.op_type),
        5 => {
            let place = chance.below(names.len());
            if let (Some(input), Some(name)) = (chance.of(&mut node.input), names.get(place)) {
                input.clone_from(name);
            }
        }
        _ => {
            let place = chance.below(graph.node.len());
            let copy = graph.node[place].clone();
            graph.node.insert(place, copy);
        }
    }
}

fn attribute(node: &mut NodeProto, other: Option<NodeProto>, chance: &mut Chance) {
    if chance.below(8) == 0 {
        node.attribute.extend(other.into_iter().flat_map(|other| other.attribute));
        return;
    }
    let seed = chance.next();
    let Some(AttributeProto { i, ints, f, floats, t, s, strings, g, .. }) =
        chance.of(&mut node.attribute)
    else {
        return;
    };
    *i = INTS[chance.below(INTS.len())];
    *f = FLOATS[chance.below(FLOATS.len())];
    list(ints, INTS[chance.below(INTS.len())], chance);
    list(floats, FLOATS[chance.below(FLOATS.len())], chance);
    list(strings, b"BRANCH_EQ".to_vec(), chance);
    if chance.below(4) == 0 {
        s.truncate(chance.below(s.len()));
    }
    tensor(t.as_mut(), seed);
    if let Some(graph) = g {
        self::node(graph, chance);
    }
}

/// Changes, removes or doubles an element.
fn list<T: Clone>(values: &mut Vec<T>, new: T, chance: &mut Chance) {
    if values.is_empty() {
        return;
    }
    let place = chance.below(values.len());
    match chance.below(4) {
        0 => drop(values.remove(place)),
        1 => values.insert(place, new),
        2 => values.swap(0, place),
        _ => values[place] = new,
    }
}

fn tensor(tensor: Option<&mut TensorProto>, seed: u64) {
    let chance = &mut Chance(seed);
    let Some(tensor) = tensor else { return };
    match chance.below(4) {
        0 => list(&mut tensor.dims, INTS[chance.below(INTS.len())], chance),
        1 => tensor.data_type = chance.below(20) as i32,
        2 => {
            let int = INTS[chance.below(INTS.len())];
            let start = chance.below(tensor.raw_data.len() / 8) * 8;
            if let Some(bytes) = tensor.raw_data.get_mut(start..start + 8) {
                bytes.copy_from_slice(&int.to_le_bytes());
            }
            list(&mut tensor.int64_data, int, chance);
        }
        _ => list(&mut tensor.float_data, FLOATS[chance.below(FLOATS.len())], chance),
    }
}

fn value_type(graph: &mut GraphProto, chance: &mut Chance) {
    let values = match chance.below(3) {
        0 => &mut graph.output,
        _ => &mut graph.input,
    };
    let found = chance.of(values).and_then(|value| value.r#type.as_mut());
    let Some(Type::TensorType(tensor)) = found.and_then(|found| found.value.as_mut()) else {
        return;
    };
    if chance.below(4) == 0 {
        tensor.elem_type = chance.below(20) as i32;
    }
    let Some(shape) = &mut tensor.shape else { return };
    if let Some(axis) = chance.of(&mut shape.dim) {
        axis.value = match chance.below(4) {
            0 => None,
            1 => Some(Size::DimParam("n".to_owned())),
            _ => Some(Size::DimValue(INTS[chance.below(INTS.len())])),
        };
    }
}
