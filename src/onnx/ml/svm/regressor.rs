//! `SVMRegressor`.

use tract_onnx::{
    pb::NodeProto,
    tract_hir::internal::{DatumType, IntoTValue, TValue, TVec, ToDim, TractResult, tvec},
};

use super::{
    super::{
        NodeError,
        attributes::Attributes,
        dot::dot,
        operator::{Fact, FromNode, Operator, input, numbers},
        post_transform::PostTransform,
        rows,
    },
    Kernel, Vectors,
};

#[derive(Debug)]
pub(in super::super) struct SvmRegressor {
    /// None for a weighted sum of the features.
    vectors: Option<Vectors>,
    coefficients: Box<[f32]>,
    rho: f32,
    /// The output is only whether a row is an inlier (1) or an outlier (-1).
    one_class: bool,
    post_transform: PostTransform,
}

impl FromNode for SvmRegressor {
    fn from_node(node: &NodeProto) -> Result<SvmRegressor, NodeError> {
        let attributes = Attributes::of(node);
        let coefficients = attributes.floats("coefficients")?;
        let count = usize::try_from(attributes.int("n_supports", 0)?)
            .map_err(|_| NodeError::damaged("found a negative number of support vectors"))?;
        let vectors = match count {
            0 => None,
            count => {
                let kernel = Kernel::read(&attributes)?;
                Some(Vectors::new(kernel, attributes.floats("support_vectors")?, count)?)
            }
        };
        if coefficients.is_empty() || (count > 0 && coefficients.len() != count) {
            return Err(NodeError::damaged(format!(
                "found {} coefficients for {count} support vectors",
                coefficients.len()
            )));
        }
        let [rho] = attributes.floats("rho")? else {
            return Err(NodeError::damaged("expected one `rho`"));
        };
        Ok(SvmRegressor {
            vectors,
            coefficients: coefficients.into(),
            rho: *rho,
            one_class: attributes.int("one_class", 0)? != 0,
            post_transform: PostTransform::read(&attributes)?,
        })
    }
}

impl SvmRegressor {
    fn width(&self) -> usize {
        self.vectors.as_ref().map_or(self.coefficients.len(), Vectors::width)
    }
}

impl Operator for SvmRegressor {
    fn name(&self) -> &'static str {
        "SVMRegressor"
    }

    fn outputs(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let rows = numbers(inputs)?.rows_of(self.width())?;
        Ok(tvec!(Fact::new(DatumType::F32, [rows, 1.to_dim()])))
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let input = input(inputs, 0)?;
        let width = self.width();
        let count = rows::count(input, width)?;
        let values = rows::f32s(input)?;
        let mut kernels = vec![0.0; self.coefficients.len()];
        let given = rows::filled(&rows::matrix(count, 1), |filled| {
            for (row, out) in values.chunks_exact(width.max(1)).zip(&mut *filled) {
                *out = self.rho
                    + match &self.vectors {
                        None => dot(row, &self.coefficients),
                        Some(vectors) => {
                            vectors.kernels(row, &mut kernels);
                            dot(&kernels, &self.coefficients)
                        }
                    };
                if self.one_class {
                    *out = if *out > 0.0 { 1.0 } else { -1.0 };
                }
                self.post_transform.apply(std::slice::from_mut(out));
            }
            Ok(())
        })?;
        Ok(tvec!(given.into_tvalue()))
    }
}
