//! The functions that run the operators, by domain and name.

use std::cmp::Ordering;

use tract_onnx::pb::NodeProto;

use super::{
    attention,
    call::Call,
    control, convolution, elementwise as each, gather, is_standard, loss, matrix, normalization,
    parts, pooling, quantization as quantized, recurrent, reduction, resize, scatter, selection,
    sequences, shapes, signal, text,
    value::{OperatorError, Outcome, all, one},
};
use crate::onnx::ml;

type Run = fn(&Call<'_>) -> Outcome;

/// The function that runs this node, if its operator is known.
pub(super) fn find(node: &NodeProto) -> Option<Run> {
    match &*node.domain {
        "ai.onnx.ml" => ml::is_known(node).then_some(ml_operator as Run),
        "com.microsoft" => of_microsoft(&node.op_type),
        domain if is_standard(domain) => {
            standard(&node.op_type).or_else(|| ml::is_known(node).then_some(ml_operator as Run))
        }
        _ => None,
    }
}

/// An operator of ONNX-ML.
fn ml_operator(call: &Call<'_>) -> Outcome {
    let tensors = call.tensors()?;
    all(ml::evaluate(call.node, &tensors)
        .map_err(|error| OperatorError::new(format!("{error:#}")))?)
}

/// An operator of ONNX Runtime's own domain. Some share the name of a standard operator but differ
/// in the order of their inputs or in meaning; the standard operator is used only for those that
/// are the same.
fn of_microsoft(name: &str) -> Option<Run> {
    Some(match name {
        "GatherND" | "Gelu" | "GridSample" | "Range" | "Trilu" => return standard(name),
        "Tokenizer" => text::tokenize,
        "QLinearAdd" => |call| quantized::qlinear_binary(call, |x, y| x + y),
        "QLinearMul" => |call| quantized::qlinear_binary(call, |x, y| x * y),
        "QLinearSigmoid" => |call| quantized::qlinear_unary(call, each::sigmoid),
        "QLinearLeakyRelu" => |call| {
            let alpha = call.float("alpha", f64::from(0.01_f32));
            quantized::qlinear_unary(call, |x| if x < 0.0 { alpha * x } else { x })
        },
        "QLinearSoftmax" => quantized::qlinear_softmax,
        "QuantizeLinear" => quantized::quantize,
        "DequantizeLinear" => quantized::dequantize,
        "DynamicQuantizeLSTM" => recurrent::dynamic_lstm,
        _ => return None,
    })
}

fn standard(name: &str) -> Option<Run> {
    elementwise(name).or_else(|| structural(name)).or_else(|| layers(name)).or_else(|| others(name))
}

fn elementwise(name: &str) -> Option<Run> {
    Some(match name {
        "Abs" => |call| each::signed(call, f64::abs, i128::abs),
        "Neg" => |call| each::signed(call, |x| -x, |x| -x),
        "Sign" => |call| {
            let sign = |x: f64| if x == 0.0 || x.is_nan() { x } else { x.signum() };
            each::signed(call, sign, i128::signum)
        },
        "Relu" => |call| each::signed(call, |x| each::larger(x, 0.0), |x| x.max(0)),
        "Ceil" => |call| each::unary(call, f64::ceil),
        "Floor" => |call| each::unary(call, f64::floor),
        "Round" => |call| each::unary(call, f64::round_ties_even),
        "Sqrt" => |call| each::unary(call, f64::sqrt),
        "Reciprocal" => |call| each::unary(call, f64::recip),
        "Exp" => |call| each::unary(call, f64::exp),
        "Log" => |call| each::unary(call, f64::ln),
        "Erf" => |call| each::unary(call, libm::erf),
        "Sin" => |call| each::unary(call, f64::sin),
        "Cos" => |call| each::unary(call, f64::cos),
        "Tan" => |call| each::unary(call, f64::tan),
        "Asin" => |call| each::unary(call, f64::asin),
        "Acos" => |call| each::unary(call, f64::acos),
        "Atan" => |call| each::unary(call, f64::atan),
        "Sinh" => |call| each::unary(call, f64::sinh),
        "Cosh" => |call| each::unary(call, f64::cosh),
        "Tanh" => |call| each::unary(call, f64::tanh),
        "Asinh" => |call| each::unary(call, f64::asinh),
        "Acosh" => |call| each::unary(call, f64::acosh),
        "Atanh" => |call| each::unary(call, f64::atanh),
        "Sigmoid" => |call| each::unary(call, each::sigmoid),
        "Softplus" => |call| each::unary(call, each::softplus),
        "Softsign" => |call| each::unary(call, |x| x / (1.0 + x.abs())),
        "Mish" => |call| each::unary(call, |x| x * each::softplus(x).tanh()),
        "HardSwish" => |call| each::unary(call, |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0)),
        "HardSigmoid" => |call| {
            let (alpha, beta) = (call.float("alpha", f64::from(0.2_f32)), call.float("beta", 0.5));
            each::unary(call, |x| (alpha * x + beta).clamp(0.0, 1.0))
        },
        "Elu" => |call| {
            let alpha = call.float("alpha", 1.0);
            each::unary(call, |x| if x < 0.0 { alpha * x.exp_m1() } else { x })
        },
        "Celu" => |call| {
            let alpha = call.float("alpha", 1.0);
            let below = |x: f64| each::smaller(alpha * (x / alpha).exp_m1(), 0.0);
            each::unary(call, |x| each::larger(x, 0.0) + below(x))
        },
        "Selu" => |call| {
            // The defaults had fewer digits before version 6.
            let (alpha, gamma): (f32, f32) =
                if call.opset() < 6 { (1.6732, 1.0507) } else { (1.673_263_2, 1.050_701) };
            let alpha = call.float("alpha", alpha.into());
            let gamma = call.float("gamma", gamma.into());
            each::unary(call, |x| gamma * if x < 0.0 { alpha * x.exp_m1() } else { x })
        },
        "LeakyRelu" => |call| {
            let alpha = call.float("alpha", f64::from(0.01_f32));
            each::unary(call, |x| if x < 0.0 { alpha * x } else { x })
        },
        "ThresholdedRelu" => |call| {
            let alpha = call.float("alpha", 1.0);
            each::unary(call, |x| if x > alpha { x } else { 0.0 })
        },
        "Shrink" => |call| {
            let (bias, lambda) = (call.float("bias", 0.0), call.float("lambd", 0.5));
            let shrunk = |x: f64| {
                if x < -lambda {
                    x + bias
                } else if x > lambda {
                    x - bias
                } else {
                    0.0
                }
            };
            if call.tensor(0)?.as_f32().is_some() || call.tensor(0)?.as_f64().is_some() {
                return each::unary(call, shrunk);
            }
            let x = call.tensor(0)?;
            let values = super::value::floats(x)?.into_iter().map(shrunk).collect();
            one(super::value::tensor(x.shape(), super::value::from_floats(x.dtype(), values))?)
        },
        "Swish" => |call| {
            let alpha = call.float("alpha", 1.0);
            each::unary(call, |x| x * each::sigmoid(alpha * x))
        },
        "SwiGLU" => each::swish_gated,
        "Gelu" => each::gelu,
        "PRelu" => each::parametric,
        "Clip" => each::clip,
        "Dropout" => each::dropout,
        "IsNaN" => |call| each::asks(call, f64::is_nan),
        "IsInf" => each::is_inf,
        "Add" => |call| each::binary(call, |x, y| x + y, |x, y| x + y),
        "Sub" => |call| each::binary(call, |x, y| x - y, |x, y| x - y),
        "Mul" => |call| each::binary(call, |x, y| x * y, i128::wrapping_mul),
        "Div" => each::divide,
        "Mod" => each::modulo,
        "Pow" => each::power,
        "Max" => |call| one(each::folded(call, each::larger, i128::max)?),
        "Min" => |call| one(each::folded(call, each::smaller, i128::min)?),
        "Sum" => |call| one(each::folded(call, |x, y| x + y, |x, y| x + y)?),
        "Mean" => each::mean,
        "Equal" => each::equal,
        "Greater" => |call| each::compared(call, f64::gt, i128::gt),
        "GreaterOrEqual" => |call| each::compared(call, f64::ge, i128::ge),
        "Less" => |call| each::compared(call, f64::lt, i128::lt),
        "LessOrEqual" => |call| each::compared(call, f64::le, i128::le),
        "And" => |call| each::logical(call, |x, y| x & y),
        "Or" => |call| each::logical(call, |x, y| x | y),
        "Xor" => |call| each::logical(call, |x, y| x ^ y),
        "Not" => each::not,
        "BitShift" => each::shift,
        "BitwiseAnd" => |call| each::of_bits(call, |x, y| x & y),
        "BitwiseOr" => |call| each::of_bits(call, |x, y| x | y),
        "BitwiseXor" => |call| each::of_bits(call, |x, y| x ^ y),
        "BitwiseNot" => each::bitwise_not,
        "Where" => selection::choose,
        "Cast" => selection::cast,
        "CastLike" => selection::cast_like,
        _ => return None,
    })
}

fn structural(name: &str) -> Option<Run> {
    Some(match name {
        "Identity" => shapes::identity,
        "Reshape" => shapes::reshape,
        "Flatten" => shapes::flatten,
        "Squeeze" => shapes::squeeze,
        "Unsqueeze" => shapes::unsqueeze,
        "Shape" => shapes::shape,
        "Size" => shapes::size,
        "Transpose" => shapes::transpose,
        "BitCast" => shapes::bit_cast,
        "Gather" => gather::gather,
        "GatherElements" => gather::gather_elements,
        "GatherND" => gather::gather_nd,
        "Scatter" | "ScatterElements" => scatter::scatter_elements,
        "ScatterND" => scatter::scatter_nd,
        "TensorScatter" => scatter::tensor_scatter,
        "Concat" => parts::concat,
        "Split" => parts::split,
        "Slice" => parts::slice,
        "Expand" => parts::expand,
        "Tile" => parts::tile,
        "Pad" => parts::pad,
        "CenterCropPad" => parts::center_crop_pad,
        "Constant" => selection::constant,
        "ConstantOfShape" => selection::constant_of_shape,
        "Range" => selection::range,
        "Compress" => selection::compress,
        "NonZero" => selection::non_zero,
        "Unique" => selection::unique,
        "TopK" => selection::top_k,
        "OneHot" => selection::one_hot,
        "EyeLike" => selection::eye_like,
        "Trilu" => selection::trilu,
        "ReverseSequence" => selection::reverse_sequence,
        "DepthToSpace" => selection::depth_to_space,
        "SpaceToDepth" => selection::space_to_depth,
        _ => return None,
    })
}

fn layers(name: &str) -> Option<Run> {
    Some(match name {
        "MatMul" => matrix::matmul,
        "Gemm" => matrix::gemm,
        "Einsum" => matrix::einsum,
        "Det" => matrix::determinant,
        "ArgMax" => |call| reduction::arg(call, Ordering::Greater),
        "ArgMin" => |call| reduction::arg(call, Ordering::Less),
        "Softmax" | "LogSoftmax" | "Hardmax" => reduction::softmax,
        "CumSum" | "CumProd" => reduction::cumulative,
        "LpNormalization" => reduction::lp_normalization,
        name if reduction::named(name).is_some() => reduction::reduce,
        "BatchNormalization" => normalization::batch,
        "InstanceNormalization" => normalization::instance,
        "GroupNormalization" => normalization::group,
        "LayerNormalization" | "RMSNormalization" => normalization::layer,
        "LRN" => normalization::local_response,
        "MeanVarianceNormalization" => normalization::mean_variance,
        "Conv" => convolution::conv,
        "ConvTranspose" => convolution::transposed,
        "DeformConv" => convolution::deformable,
        "Col2Im" => convolution::columns_to_image,
        "CausalConvWithState" => convolution::causal,
        "MaxPool" => pooling::max,
        "AveragePool" | "LpPool" => pooling::average,
        "GlobalMaxPool" | "GlobalAveragePool" | "GlobalLpPool" => pooling::global,
        "MaxUnpool" => pooling::max_back,
        "RoiAlign" => pooling::regions,
        "NonMaxSuppression" => pooling::non_max_suppression,
        "Resize" | "Upsample" => resize::resize,
        "GridSample" => resize::grid_sample,
        "AffineGrid" => resize::affine_grid,
        "LSTM" | "GRU" | "RNN" => recurrent::recurrent,
        "Attention" => attention::attention,
        "RotaryEmbedding" => attention::rotary,
        "LinearAttention" => attention::linear,
        _ => return None,
    })
}

fn others(name: &str) -> Option<Run> {
    Some(match name {
        "QuantizeLinear" => quantized::quantize,
        "DequantizeLinear" => quantized::dequantize,
        "DynamicQuantizeLinear" => quantized::dynamic,
        "MatMulInteger" => quantized::matmul_integer,
        "ConvInteger" => quantized::conv_integer,
        "QLinearMatMul" => quantized::qlinear_matmul,
        "QLinearConv" => quantized::qlinear_conv,
        "If" => control::branch,
        "Loop" => control::repeat,
        "Scan" => control::scan,
        "SequenceConstruct" => sequences::construct,
        "SequenceEmpty" => sequences::empty,
        "SequenceAt" => sequences::at,
        "SequenceInsert" => sequences::insert,
        "SequenceErase" => sequences::erase,
        "SequenceLength" => sequences::length,
        "SequenceMap" => sequences::map,
        "ConcatFromSequence" => sequences::concat,
        "SplitToSequence" => sequences::split,
        "Optional" => sequences::optional,
        "OptionalHasElement" => sequences::has_element,
        "OptionalGetElement" => sequences::element,
        "StringConcat" => text::concat,
        "StringSplit" => text::split,
        "RegexFullMatch" => text::regex,
        "StringNormalizer" => text::normalize,
        "TfIdfVectorizer" => text::tf_idf,
        "DFT" => signal::dft,
        "STFT" => signal::stft,
        "HannWindow" | "HammingWindow" | "BlackmanWindow" => signal::window,
        "MelWeightMatrix" => signal::mel,
        "NegativeLogLikelihoodLoss" => loss::negative_log_likelihood,
        "SoftmaxCrossEntropyLoss" => loss::softmax_cross_entropy,
        _ => return None,
    })
}
