//! The same over gRPC.

use std::{error::Error, time::Duration};

use futures::executor::block_on;
use modelgate::{
    AsyncModel, ModelError,
    model::{ErrorKind, Label},
    remote,
};
use modelgate_remote_tests::{
    grpc::{Fault, GrpcStandIn, inferred},
    until,
};
use tonic::Code;

const ROW: [f32; 3] = [0.25, 0.5, 51_234.0];

fn builder(server: &GrpcStandIn) -> remote::Builder {
    remote::Classifier::builder(server.url(), "echo")
        .grpc()
        .deadline(Duration::from_secs(30))
        .health_interval(Duration::from_millis(50))
}

fn cause(error: &ModelError) -> &remote::Error {
    error.source().and_then(|cause| cause.downcast_ref()).unwrap()
}

#[test]
fn rows_come_back_as_they_were() {
    let server = GrpcStandIn::start();
    let model = block_on(builder(&server).token("of-the-tests").allow_non_finite().connect());
    let model = model.unwrap();
    let rows: [&[f32]; 3] = [&ROW, &[-0.0, f32::MIN_POSITIVE / 3.0, 1e-30], &[f32::NAN, 1.0, 2.0]];
    for faults in [vec![], vec![Fault::Contents]] {
        server.faults(faults);
        let answers = block_on(model.predict_batch(&rows));
        for (answer, row) in answers.iter().zip(rows) {
            let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&answer.as_ref().unwrap().probabilities), bits(row));
        }
    }
    let state = server.state.lock().unwrap();
    assert_eq!(state.inferences, 2);
    let (token, timeout) = &state.heads[0];
    assert_eq!(token.as_deref(), Some("Bearer of-the-tests"));
    assert!(timeout.is_some());
}

#[test]
fn a_model_that_is_not_as_expected_is_refused() {
    let server = GrpcStandIn::start();
    let error = block_on(builder(&server).features(4).connect()).unwrap_err();
    let expected = "inputs.rows: shape: found [-1, 3], expected 4 values in a row";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn what_goes_wrong_is_named() {
    let server = GrpcStandIn::start();
    let model = block_on(builder(&server).connect()).unwrap();
    let mut short = inferred(&ROW, true);
    short.raw.pop();
    let mut wide = inferred(&ROW, true);
    wide.outputs[1].datatype = "FP64".to_owned();
    let mut shape = inferred(&ROW, false);
    shape.outputs[1].shape = vec![3, 1];
    for (fault, expected) in [
        (
            Fault::Status(Code::InvalidArgument, "cannot read 51234 or 0.25"),
            "server answered INVALID_ARGUMENT: cannot read # or #",
        ),
        (Fault::Outputs(short), "raw_output_contents: found 1, expected 2"),
        (Fault::Outputs(wide), "outputs.probabilities: data: found 12 bytes"),
        (Fault::Outputs(shape), "outputs.probabilities: shape: found [3, 1], expected [1, 3]"),
    ] {
        let asked = server.state.lock().unwrap().inferences;
        server.faults([fault]);
        let error = block_on(model.predict(&ROW)).unwrap_err();
        let said = cause(&error).to_string();
        assert!(said.starts_with(expected), "found {said}, expected {expected}");
        assert_eq!(server.state.lock().unwrap().inferences, asked + 1);
    }
    server.faults([Fault::Status(Code::Unavailable, "busy")]);
    assert_eq!(block_on(model.predict(&ROW)).unwrap().label, Label::Int(2));
    assert_eq!(model.status().retried, 1);
    server.faults([Fault::Status(Code::NotFound, "gone")]);
    let error = block_on(model.predict(&ROW)).unwrap_err();
    assert!(matches!(cause(&error), remote::Error::Gone { .. }));
}

#[test]
fn an_answer_that_is_too_large_is_refused() {
    let server = GrpcStandIn::start();
    let settings = modelgate::source::HttpSettings::new().max_bytes(1_000);
    let model = block_on(builder(&server).http(settings).connect()).unwrap();
    server.faults([Fault::Outputs(inferred(&[1.0; 3_000], true))]);
    let error = block_on(model.predict(&ROW)).unwrap_err();
    assert!(matches!(cause(&error), remote::Error::TooLarge { limit: 1_000 }), "{error:?}");
}

#[test]
fn a_silent_server_is_given_up_and_hears_of_it() {
    let server = GrpcStandIn::start();
    let model = block_on(builder(&server).deadline(Duration::from_millis(500)).connect()).unwrap();
    until("an answer", || block_on(model.predict(&ROW)).is_ok());
    server.faults([Fault::Silence]);
    let error = block_on(model.predict(&ROW)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    until("the end of the request", || server.state.lock().unwrap().cancelled == 1);
    until("a free place", || model.status().in_flight == 0);
}

#[test]
fn a_server_that_is_killed_is_used_again_when_it_is_back() {
    let server = GrpcStandIn::start();
    let address = server.address;
    let model = block_on(builder(&server).connect()).unwrap();
    drop(server);
    until("the loss", || {
        let _ = block_on(model.predict(&ROW));
        !model.is_loaded()
    });
    let _server = GrpcStandIn::at(address);
    until("the server's return", || model.is_loaded());
    assert_eq!(block_on(model.predict(&ROW)).unwrap().label, Label::Int(2));
}
