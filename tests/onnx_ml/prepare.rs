//! Operators that prepare features.

use modelgate::tensor::Tensor;
use tract_onnx::pb::TensorProto;

use crate::file::{assert_near, f32s, f64s, node, rows, standard, texts};

#[test]
fn a_scaler_subtracts_and_multiplies_by_feature_or_all_alike() {
    let each = node("Scaler").floats("offset", &[1.0, 2.0]).floats("scale", &[10.0, 0.5]);
    assert_near(&each.one(rows(2, vec![2.0_f32, 4.0, 0.0, 0.0])), &[10.0, 1.0, -10.0, -1.0]);
    assert_near(&each.one(rows(2, vec![2.0_f64, 4.0])), &[10.0, 1.0]);
    assert_near(&each.one(rows(2, vec![2_i64, 4])), &[10.0, 1.0]);
    assert_near(&each.one(rows(2, vec![2_i32, 4])), &[10.0, 1.0]);
    let all = node("Scaler").floats("offset", &[1.0]).floats("scale", &[3.0]);
    assert_near(&all.one(rows(3, vec![1.0_f32, 2.0, 3.0])), &[0.0, 3.0, 6.0]);
    assert_near(&all.one(rows(1, vec![0.1_f64])), &[-2.7]);
    assert_near(&node("Scaler").floats("scale", &[2.0]).one(rows(1, vec![4.0_f32])), &[8.0]);
    assert_near(&node("Scaler").floats("offset", &[2.0]).one(rows(1, vec![4.0_f32])), &[2.0]);
    assert_near(&node("Scaler").one(rows(1, vec![4.0_f32])), &[4.0]);
    assert!(each.refused(&[rows(3, vec![0.0_f32; 3])]).contains("found 3 features, expected 2"));
}

#[test]
fn a_normalizer_divides_by_the_norm_of_each_row() {
    let rows_ = || rows(2, vec![3.0_f32, -4.0, 0.0, 0.0]);
    let norm = |norm: &str| node("Normalizer").text("norm", norm);
    assert_near(&norm("MAX").one(rows_()), &[1.0, -4.0 / 3.0, 0.0, 0.0]);
    assert_near(&node("Normalizer").one(rows_()), &[1.0, -4.0 / 3.0, 0.0, 0.0]);
    assert_near(&norm("L1").one(rows_()), &[3.0 / 7.0, -4.0 / 7.0, 0.0, 0.0]);
    assert_near(&norm("L2").one(rows_()), &[0.6, -0.8, 0.0, 0.0]);
    assert_near(&norm("L2").one(rows(2, vec![3_i64, -4])), &[0.6, -0.8]);
    assert!(norm("L3").refused(&[rows_()]).contains("there is no norm `L3`"));
}

#[test]
fn an_imputer_replaces_one_value() {
    let nan = node("Imputer")
        .float("replaced_value_float", f32::NAN)
        .floats("imputed_value_floats", &[7.0, 8.0]);
    let found = nan.one(rows(2, vec![f32::NAN, 1.0, 2.0, f32::NAN]));
    assert_near(&found, &[7.0, 1.0, 2.0, 8.0]);
    let found = nan.one(rows(2, vec![f64::NAN, 1.0]));
    assert_eq!(found.as_f64(), Some(&[7.0, 1.0][..]));
    let zero = node("Imputer").floats("imputed_value_floats", &[5.0]);
    assert_near(&zero.one(rows(3, vec![0.0_f32, 1.0, -0.0])), &[5.0, 1.0, 5.0]);
    let minus = node("Imputer").int("replaced_value_int64", -1).ints("imputed_value_int64s", &[9]);
    assert_eq!(minus.one(rows(2, vec![-1_i64, 3])).as_i64(), Some(&[9, 3][..]));
    assert_eq!(minus.one(rows(2, vec![-1_i32, 3])).as_i32(), Some(&[9, 3][..]));
    assert!(minus.refused(&[rows(2, vec![0.0_f32, 1.0])]).contains("the type imputed"));
    let both = minus.floats("imputed_value_floats", &[1.0]);
    assert!(both.refused(&[rows(1, vec![0_i64])]).contains("none or both"));
}

#[test]
fn a_binarizer_asks_for_more_than_the_threshold() {
    let half = node("Binarizer").float("threshold", 0.5);
    assert_near(&half.one(rows(4, vec![0.5_f32, 0.6, -1.0, f32::NAN])), &[0.0, 1.0, 0.0, 0.0]);
    assert_eq!(half.one(rows(2, vec![0.5_f64, 0.6])).as_f64(), Some(&[0.0, 1.0][..]));
    assert_eq!(half.one(rows(2, vec![0_i64, 1])).as_i64(), Some(&[0, 1][..]));
    assert_eq!(node("Binarizer").one(rows(2, vec![0_i32, 1])).as_i32(), Some(&[0, 1][..]));
}

#[test]
fn a_one_hot_encoder_marks_the_category() {
    let numbers = node("OneHotEncoder").ints("cats_int64s", &[4, 7, -1]);
    let found = numbers.one(rows(2, vec![7_i64, 4, 5, -1]));
    assert_eq!(found.shape(), [2, 2, 3]);
    assert_near(&found, &[0., 1., 0., 1., 0., 0., 0., 0., 0., 0., 0., 1.]);
    // Numbers with a fraction are cut off.
    let found = numbers.one(rows(1, vec![7.9_f32, f32::NAN, f32::INFINITY, -1.5]));
    assert_near(&found, &[0., 1., 0., 0., 0., 0., 0., 0., 0., 0., 0., 1.]);
    assert_eq!(numbers.one(rows(1, vec![4_i32])).shape(), [1, 1, 3]);
    let names = node("OneHotEncoder").texts("cats_strings", &["red", "blue"]);
    assert_near(&names.one(rows(1, texts(&["blue", "green"]))), &[0.0, 1.0, 0.0, 0.0]);
    let strict = names.int("zeros", 0);
    assert_near(&strict.one(rows(1, texts(&["red"]))), &[1.0, 0.0]);
    let error = strict.try_run(&[rows(1, texts(&["green"]))]).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("none of the categories"), "{source}");
    assert!(strict.refused(&[rows(1, vec![1_i64])]).contains("the type of the categories"));
    // No number that is made up for the first row is a category: the engine's reason is told.
    let refused =
        numbers.int("zeros", 0).refused(&[Tensor::new([0_usize; 0], vec![4.0_f32]).unwrap()]);
    assert!(refused.contains("none of the categories"), "{refused}");
}

#[test]
fn a_label_encoder_maps_every_type_of_key_to_every_type_of_value() {
    let texts_to_ints =
        node("LabelEncoder").texts("keys_strings", &["a", "b"]).ints("values_int64s", &[5, 6]);
    let found = texts_to_ints.clone().int("default_int64", 9).one(rows(3, texts(&["b", "a", "c"])));
    assert_eq!(found.as_i64(), Some(&[6, 5, 9][..]));
    assert_eq!(texts_to_ints.one(rows(1, texts(&["z"]))).as_i64(), Some(&[-1][..]));
    let ints_to_texts =
        node("LabelEncoder").ints("keys_int64s", &[1, 2]).texts("values_strings", &["x", "y"]);
    let found = ints_to_texts.one(rows(3, vec![2_i64, 1, 0]));
    assert_eq!(found.as_text(), Some(&texts(&["y", "x", "_Unused"])[..]));
    assert_eq!(ints_to_texts.one(rows(1, vec![2_i32])).as_text(), Some(&texts(&["y"])[..]));
    let floats = node("LabelEncoder")
        .floats("keys_floats", &[0.5, f32::NAN, 0.0])
        .floats("values_floats", &[1.0, 2.0, 3.0]);
    let found = floats.one(rows(4, vec![f32::NAN, 0.5, -0.0, 7.0]));
    assert_near(&found, &[2.0, 1.0, 3.0, 0.0]);
    assert!(found.as_f32().unwrap()[3].is_sign_negative());
    let doubles = node("LabelEncoder")
        .tensor("keys_tensor", f64s(&[0.1, 0.2]))
        .tensor("values_tensor", f32s(&[10.0, 20.0]))
        .tensor("default_tensor", f32s(&[30.0]));
    assert_near(&doubles.one(rows(2, vec![0.2_f64, 0.3])), &[20.0, 30.0]);
    let short = node("LabelEncoder").ints("keys_int64s", &[1, 2]).ints("values_int64s", &[2]);
    assert!(short.refused(&[rows(1, vec![1_i64])]).contains("found 2 keys and 1 values"));
    let shorts = TensorProto { data_type: 5, int32_data: vec![3], ..TensorProto::default() };
    let mixed = texts_to_ints.tensor("default_tensor", shorts);
    assert!(mixed.refused(&[rows(1, texts(&["a"]))]).contains("another type"));
}

/// As in ONNX Runtime 1.32.
#[test]
fn of_a_key_that_stands_twice_the_first_counts() {
    let ints = node("LabelEncoder").ints("keys_int64s", &[1, 1]).ints("values_int64s", &[2, 3]);
    assert_eq!(ints.one(rows(1, vec![1_i64])).as_i64(), Some(&[2][..]));
    let named = node("LabelEncoder").texts("keys_strings", &["a", "a"]);
    let named = named.floats("values_floats", &[2.0, 3.0]);
    assert_near(&named.one(rows(1, texts(&["a"]))), &[2.0]);
    let floats = node("LabelEncoder")
        .floats("keys_floats", &[-0.0, 0.0, f32::NAN, f32::NAN])
        .floats("values_floats", &[1.0, 2.0, 3.0, 4.0]);
    assert_near(&floats.one(rows(2, vec![0.0_f32, f32::NAN])), &[1.0, 3.0]);
}

#[test]
fn a_category_mapper_goes_both_ways() {
    let mapper = node("CategoryMapper")
        .texts("cats_strings", &["cat", "dog", "dog"])
        .ints("cats_int64s", &[7, 9, 7]);
    let found = mapper.one(rows(3, texts(&["dog", "cow", "cat"])));
    // As in ONNX Runtime 1.32, the last counts of what stands twice.
    assert_eq!((found.shape(), found.as_i64()), (&[1, 3][..], Some(&[7, -1, 7][..])));
    let back = mapper.one(rows(1, vec![9_i64, 8, 7]));
    assert_eq!(back.as_text(), Some(&texts(&["dog", "_Unused", "dog"])[..]));
    let named = mapper.text("default_string", "other").int("default_int64", 3);
    assert_eq!(named.one(rows(1, texts(&["cow"]))).as_i64(), Some(&[3][..]));
    assert_eq!(named.one(rows(1, vec![0_i64])).as_text(), Some(&texts(&["other"])[..]));
    let short = named.ints("cats_int64s", &[1]);
    assert!(
        short.refused(&[rows(1, vec![1_i64])]).contains("3 `cats_strings` and 1 `cats_int64s`")
    );
}

#[test]
fn the_first_label_encoder_went_both_ways() {
    let classes = node("LabelEncoder").texts("classes_strings", &["cat", "dog"]);
    assert_eq!(classes.one(rows(2, texts(&["dog", "cow"]))).as_i64(), Some(&[1, -1][..]));
    let back = classes.one(rows(2, vec![1_i64, 5]));
    assert_eq!(back.as_text(), Some(&texts(&["dog", "_Unused"])[..]));
}

#[test]
fn an_array_feature_extractor_takes_columns_by_number() {
    let extract = |values: Tensor, columns: &[i64]| {
        let columns = Tensor::vector(columns.to_vec());
        node("ArrayFeatureExtractor").run(&[values, columns]).remove(0)
    };
    let found = extract(rows(3, vec![1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0]), &[2, 0]);
    assert_eq!((found.shape(), found.as_f32()), (&[2, 2][..], Some(&[3.0, 1.0, 6.0, 4.0][..])));
    let found = extract(Tensor::vector(texts(&["a", "b"])), &[1, 1, 0]);
    assert_eq!(found.shape(), [1, 3]);
    assert_eq!(found.as_text(), Some(&texts(&["b", "b", "a"])[..]));
    assert_eq!(extract(rows(2, vec![1_i64, 2]), &[1]).as_i64(), Some(&[2][..]));
    assert_eq!(extract(rows(2, vec![1.0_f64, 2.0]), &[1]).as_f64(), Some(&[2.0][..]));
    for column in [2, -1] {
        let inputs = [rows(2, vec![1.0_f32, 2.0]), Tensor::vector(vec![column])];
        assert!(node("ArrayFeatureExtractor").try_run(&inputs).is_err());
    }
}

#[test]
fn a_feature_vectorizer_puts_inputs_side_by_side() {
    let inputs = [rows(2, vec![1.0_f32, 2.0, 3.0, 4.0]), rows(1, vec![5_i64, 6])];
    let side = node("FeatureVectorizer").ints("inputdimensions", &[2, 1]);
    assert_near(&side.run(&inputs)[0], &[1.0, 2.0, 5.0, 3.0, 4.0, 6.0]);
    assert_near(&node("FeatureVectorizer").run(&inputs)[0], &[1.0, 2.0, 5.0, 3.0, 4.0, 6.0]);
    let wrong = node("FeatureVectorizer").ints("inputdimensions", &[1, 1]);
    assert!(wrong.refused(&inputs).contains("found 2 features, expected 1"));
}

#[test]
fn a_zip_map_gives_the_scores_as_they_are() {
    let zipped = node("ZipMap").texts("classlabels_strings", &["a", "b"]);
    let found = zipped.one(rows(2, vec![0.25_f32, 0.75]));
    assert_eq!(found, rows(2, vec![0.25_f32, 0.75]));
    assert!(zipped.refused(&[rows(3, vec![0.0_f32; 3])]).contains("found 3 features, expected 2"));
}

#[test]
fn a_cast_to_integers_keeps_large_ones() {
    let cast = standard("Cast").int("to", 7);
    let large = 5_000_000_000_i64;
    assert_eq!(cast.one(rows(1, vec![large, -large])).as_i64(), Some(&[large, -large][..]));
    assert_eq!(cast.one(rows(1, vec![5e9_f32, 2.9])).as_i64(), Some(&[large, 2][..]));
    assert_eq!(cast.one(rows(1, vec![5e9_f64, -2.9])).as_i64(), Some(&[large, -2][..]));
    assert_eq!(cast.one(rows(1, vec![7_i32])).as_i64(), Some(&[7][..]));
    let to_float = standard("Cast").int("to", 1);
    assert_near(&to_float.one(rows(1, vec![3_i64])), &[3.0]);
}

#[test]
fn a_log_of_a_sum_of_exponentials_neither_vanishes_nor_overflows() {
    let sum = |node: crate::file::Node| {
        node.one(rows(2, vec![-200.0_f32, -200.0, 300.0, f32::NEG_INFINITY, 0.0, 1.0]))
    };
    let expected = [-199.306_85, 300.0, 1.313_261_7];
    let along = standard("ReduceLogSumExp").ints("axes", &[1]);
    assert_eq!(sum(along.clone()).shape(), [3, 1]);
    assert_near(&sum(along.clone()), &expected);
    let without = sum(standard("ReduceLogSumExp").ints("axes", &[-1]).int("keepdims", 0));
    assert_eq!(without.shape(), [3]);
    assert_near(&without, &expected);
    assert_eq!(along.one(rows(2, vec![0.0_f64, 0.0])).as_f64(), Some(&[2.0_f64.ln()][..]));
    let all = standard("ReduceLogSumExp").int("keepdims", 0).one(rows(2, vec![-500.0_f32; 4]));
    assert_eq!((all.shape(), all.as_f32()), (&[][..], Some(&[-500.0 + 4.0_f32.ln()][..])));
    let infinite = along.one(rows(2, vec![f32::NEG_INFINITY; 2]));
    assert_eq!(infinite.as_f32(), Some(&[f32::NEG_INFINITY][..]));
}
