//! flagd: definitions, expressions, and the matrix of its operators.

mod definitions;
mod expressions;
mod matrix;
