//! `SVMClassifier` and `SVMRegressor`: support vector machines.

mod classifier;
mod coupling;
mod regressor;

pub(super) use self::{classifier::SvmClassifier, regressor::SvmRegressor};
use super::{
    NodeError,
    attributes::Attributes,
    dot::{dot, square_distance},
};

/// How near two points are.
#[derive(Clone, Copy, Debug)]
enum Kernel {
    Linear,
    Poly { gamma: f32, coef0: f32, degree: f32 },
    Rbf { gamma: f32 },
    Sigmoid { gamma: f32, coef0: f32 },
}

impl Kernel {
    fn read(attributes: &Attributes<'_>) -> Result<Kernel, NodeError> {
        let (gamma, coef0, degree) = match attributes.floats("kernel_params")? {
            [] => (0.0, 0.0, 0.0),
            [gamma, coef0, degree] => (*gamma, *coef0, *degree),
            other => {
                return Err(NodeError::damaged(format!("found {} kernel parameters", other.len())));
            }
        };
        match attributes.text("kernel_type", "LINEAR")? {
            "LINEAR" => Ok(Kernel::Linear),
            "POLY" => Ok(Kernel::Poly { gamma, coef0, degree }),
            "RBF" => Ok(Kernel::Rbf { gamma }),
            "SIGMOID" => Ok(Kernel::Sigmoid { gamma, coef0 }),
            other => Err(NodeError::damaged(format!("there is no kernel `{other}`"))),
        }
    }

    fn of(self, row: &[f32], vector: &[f32]) -> f32 {
        match self {
            Kernel::Linear => dot(row, vector),
            Kernel::Poly { gamma, coef0, degree } => {
                let base = gamma * dot(row, vector) + coef0;
                // Whole degrees by products: a power of a negative number is exact then.
                if degree == 2.0 {
                    base * base
                } else if degree == 3.0 {
                    base * base * base
                } else {
                    base.powf(degree)
                }
            }
            Kernel::Rbf { gamma } => (-gamma * square_distance(row, vector)).exp(),
            Kernel::Sigmoid { gamma, coef0 } => (gamma * dot(row, vector) + coef0).tanh(),
        }
    }
}

/// The support vectors, and how near a point is to each.
#[derive(Debug)]
struct Vectors {
    kernel: Kernel,
    values: Box<[f32]>,
    count: usize,
}

impl Vectors {
    fn new(kernel: Kernel, values: &[f32], count: usize) -> Result<Vectors, NodeError> {
        if count == 0 || values.is_empty() || !values.len().is_multiple_of(count) {
            return Err(NodeError::damaged(format!(
                "found {} numbers for {count} support vectors",
                values.len()
            )));
        }
        Ok(Vectors { kernel, values: values.into(), count })
    }

    fn width(&self) -> usize {
        self.values.len() / self.count.max(1)
    }

    fn kernels(&self, row: &[f32], kernels: &mut [f32]) {
        let vectors = self.values.chunks_exact(self.width().max(1));
        for (kernel, vector) in kernels.iter_mut().zip(vectors) {
            *kernel = self.kernel.of(row, vector);
        }
    }
}
