//! Inlines the functions that a model defines (`ModelProto.functions`), which tract does not support.

use std::{collections::HashMap, mem};

use tract_onnx::pb::{AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto};

use crate::onnx::LoadError;

/// More nodes than any exporter writes. Without a limit, functions that call functions could grow
/// exponentially.
const MOST_NODES: usize = 200_000;

/// How deep calls may be nested; the specification forbids recursion, so that a chain this long means
/// a damaged file.
const DEEPEST: usize = 32;

/// Inlines every call. One that cannot be inlined stays, and is refused as an unknown operator later.
pub(super) fn inline(model: &mut ModelProto) -> Result<(), LoadError> {
    if model.functions.is_empty() {
        return Ok(());
    }
    let functions = mem::take(&mut model.functions);
    // A function may import other versions of an operator set than the model, but by the
    // specification its operators must then mean the same in both: no need to convert them.
    let by_name = functions.iter().map(|function| {
        (
            (function.domain.as_deref().unwrap_or(""), function.name.as_deref().unwrap_or("")),
            function,
        )
    });
    let mut inliner = Inliner { functions: by_name.collect(), calls: 0, nodes: 0 };
    match &mut model.graph {
        Some(graph) => inliner.graph(graph, 0),
        None => Ok(()),
    }
}

struct Inliner<'a> {
    functions: HashMap<(&'a str, &'a str), &'a FunctionProto>,
    /// How many calls have been inlined; part of the unique names of their inner values.
    calls: usize,
    /// How many nodes there are so far.
    nodes: usize,
}

impl Inliner<'_> {
    fn graph(&mut self, graph: &mut GraphProto, depth: usize) -> Result<(), LoadError> {
        graph.node = self.nodes(mem::take(&mut graph.node), depth)?;
        Ok(())
    }

    fn nodes(&mut self, nodes: Vec<NodeProto>, depth: usize) -> Result<Vec<NodeProto>, LoadError> {
        if depth > DEEPEST {
            return Err(too_much("its functions call each other without end"));
        }
        let mut all = Vec::with_capacity(nodes.len());
        for mut node in nodes {
            let called = self.functions.get(&(&*node.domain, &*node.op_type)).copied();
            if let Some(body) = called.and_then(|function| self.body(function, &node)) {
                all.extend(self.nodes(body, depth.saturating_add(1))?);
                continue;
            }
            self.nodes = self.nodes.saturating_add(1);
            if self.nodes > MOST_NODES {
                return Err(too_much("its functions are called too often"));
            }
            for graph in node.attribute.iter_mut().filter_map(|attribute| attribute.g.as_mut()) {
                self.graph(graph, depth.saturating_add(1))?;
            }
            all.push(node);
        }
        Ok(all)
    }

    /// The nodes of a function for one call, with the caller's names and attributes.
    fn body(&mut self, function: &FunctionProto, call: &NodeProto) -> Option<Vec<NodeProto>> {
        if call.input.len() > function.input.len() || call.output.len() > function.output.len() {
            return None;
        }
        let mut names: HashMap<&str, &str> = HashMap::new();
        // An input that the call leaves out has no name.
        let given = call.input.iter().map(|name| &**name).chain(std::iter::repeat(""));
        names.extend(function.input.iter().map(|name| &**name).zip(given));
        let wanted = function.output.iter().zip(&call.output).filter(|(_, name)| !name.is_empty());
        for (inner, outer) in wanted {
            // An input that is also an output would need an `Identity` between the two.
            if names.insert(inner, outer).is_some() {
                return None;
            }
        }
        self.calls = self.calls.saturating_add(1);
        let scope = Scope { names, prefix: format!("{}/{}/", call.op_type, self.calls), call };
        let mut nodes = function.node.clone();
        nodes.iter_mut().try_for_each(|node| scope.node(node))?;
        Some(nodes)
    }
}

/// Renames the values inside one inlined call.
struct Scope<'a> {
    names: HashMap<&'a str, &'a str>,
    prefix: String,
    call: &'a NodeProto,
}

impl Scope<'_> {
    fn name(&self, name: &mut String) {
        if let Some(outer) = self.names.get(&**name) {
            *name = (*outer).to_owned();
        } else if !name.is_empty() {
            name.insert_str(0, &self.prefix);
        }
    }

    fn node(&self, node: &mut NodeProto) -> Option<()> {
        node.input.iter_mut().chain(&mut node.output).for_each(|name| self.name(name));
        if !node.name.is_empty() {
            node.name.insert_str(0, &self.prefix);
        }
        node.attribute.iter_mut().try_for_each(|attribute| self.attribute(attribute))
    }

    fn attribute(&self, attribute: &mut AttributeProto) -> Option<()> {
        if !attribute.ref_attr_name.is_empty() {
            // tract's protobuf messages lack the default values of a function's attributes.
            let mut given = self.call.attribute.iter();
            let given = given.find(|given| given.name == attribute.ref_attr_name)?;
            let name = mem::take(&mut attribute.name);
            *attribute = AttributeProto { name, ..given.clone() };
            return Some(());
        }
        let Some(graph) = &mut attribute.g else { return Some(()) };
        for value in graph.input.iter_mut().chain(&mut graph.output).chain(&mut graph.value_info) {
            self.name(&mut value.name);
        }
        graph.initializer.iter_mut().for_each(|tensor| self.name(&mut tensor.name));
        graph.node.iter_mut().try_for_each(|node| self.node(node))
    }
}

fn too_much(detail: &str) -> LoadError {
    LoadError::NotOnnx { detail: detail.into() }
}
