//! What goes wrong on the way to another machine, and on it.

use std::{
    error::Error,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures::executor::block_on;
use modelgate::{
    AsyncModel, AsyncModelRouter, Classification, FallbackCause, ModelError, ModelRouter, Rollout,
    model::{ErrorKind, Label},
    model_fn, remote,
};
use modelgate_remote_tests::{Fault, StandIn, document, until};
use serde_json::json;

const ROW: [f32; 3] = [0.25, 0.5, 51_234.0];
const FAILED: FallbackCause = FallbackCause::Failed(ErrorKind::Failed);
const LONG: Duration = Duration::from_secs(30);

fn builder(server: &StandIn) -> remote::Builder {
    remote::Classifier::builder(server.url(), "echo")
        .deadline(LONG)
        .health_interval(Duration::from_millis(50))
}

/// A model that finds out nothing by itself.
fn model(server: &StandIn) -> remote::Classifier {
    block_on(builder(server).health_interval(Duration::from_secs(3_600)).connect()).unwrap()
}

fn failure(model: &remote::Classifier) -> ModelError {
    block_on(model.predict(&ROW)).unwrap_err()
}

fn cause(error: &ModelError) -> &remote::Error {
    error.source().and_then(|cause| cause.downcast_ref()).unwrap()
}

#[test]
fn a_request_that_was_not_answered_is_sent_again() {
    let server = StandIn::start();
    let model = model(&server);
    let busy = Fault::Status(503, &[("retry-after", "0")], String::new());
    for fault in [Fault::Reset, busy] {
        let before = (model.status().retried, server.state().inferences);
        server.faults([fault]);
        assert_eq!(block_on(model.predict(&ROW)).unwrap().label, Label::Int(2));
        assert_eq!(model.status().retried, before.0 + 1);
        assert_eq!(server.state().inferences, before.1 + 2);
    }
}

#[test]
fn a_request_is_sent_as_often_as_allowed_and_no_more() {
    let server = StandIn::start();
    let model = block_on(builder(&server).retries(3).connect()).unwrap();
    server.faults([Fault::Reset, Fault::Reset, Fault::Reset, Fault::Reset, Fault::Reset]);
    assert!(matches!(cause(&failure(&model)), remote::Error::Broken { .. }));
    assert_eq!(server.state().inferences, 4);
    server.state().faults.clear();

    let never = block_on(builder(&server).retries(0).connect()).unwrap();
    server.faults([Fault::Reset]);
    assert!(matches!(cause(&failure(&never)), remote::Error::Broken { .. }));
    assert_eq!(server.state().inferences, 5);
}

#[test]
fn what_would_not_help_is_not_sent_again() {
    let server = StandIn::start();
    let model = model(&server);
    let outputs = |label, probabilities| document(json!([label, probabilities]));
    let label = || json!({"name": "label", "datatype": "INT64", "shape": [1], "data": [2]});
    let good =
        || json!({"name": "probabilities", "datatype": "FP32", "shape": [1, 3], "data": ROW});
    let with = |mut output: serde_json::Value, field: &str, value: serde_json::Value| {
        output[field] = value;
        output
    };
    let status = |status, body: &str| Fault::Status(status, &[], body.to_owned());
    let cases = [
        (status(503, ""), "server answered 503"),
        (status(500, "<html>51234</html>"), "server answered 500"),
        (
            status(400, r#"{"error":"cannot read [0.25, 0.5, 51234] as [1,4]"}"#),
            "server answered 400: cannot read [#, #, #] as [1,4]",
        ),
        (Fault::Status(503, &[("retry-after", "3600")], String::new()), "server answered 503"),
        (status(302, ""), "server answered 302"),
        (Fault::Cut, "connection broke before the end of the answer"),
        (
            Fault::Body("{\"model_version\":\"51234\"".to_owned()),
            "answer is malformed: truncated JSON at line 1",
        ),
        (Fault::Body("<html>".to_owned()), "answer is malformed: invalid JSON at line 1, column 1"),
        (Fault::Body(String::new()), "answer is malformed: truncated JSON"),
        (
            Fault::Body(outputs(label(), with(good(), "shape", json!([3, 1])))),
            "outputs.probabilities: shape: found [3, 1], expected [1, 3]",
        ),
        (
            Fault::Body(outputs(label(), with(good(), "shape", json!([1, 4])))),
            "outputs.probabilities: shape: found [1, 4] for 3 values",
        ),
        (
            Fault::Body(outputs(
                label(),
                json!({
                    "name": "probabilities", "datatype": "INT64", "shape": [1, 3], "data": [0, 0, 1]
                }),
            )),
            "outputs.probabilities: datatype: found i64, expected f32 or f64",
        ),
        (
            Fault::Body(outputs(with(label(), "datatype", json!("FP16")), good())),
            "outputs.label: datatype: found f16",
        ),
        (
            Fault::Body(outputs(label(), with(good(), "name", json!("scores")))),
            "outputs.probabilities: found nothing, expected a tensor",
        ),
        (
            Fault::Body(outputs(
                json!({
                    "name": "label", "datatype": "INT64", "shape": [2], "data": [2, 2]
                }),
                good(),
            )),
            "outputs.label: shape: found [2], expected [1]",
        ),
    ];
    for (number, (fault, expected)) in cases.into_iter().enumerate() {
        server.faults([fault]);
        let error = failure(&model);
        assert_eq!(error.kind(), ErrorKind::Failed);
        let said = cause(&error).to_string();
        assert!(said.starts_with(expected), "found {said}, expected {expected}");
        assert!(!format!("{error:?}").contains("51234"), "{error:?}");
        assert_eq!(server.state().inferences, number + 1, "{expected}");
    }
    assert_eq!(model.status().retried, 0);
    assert!(model.is_loaded());
}

#[test]
fn an_answer_of_another_version_is_none() {
    let server = StandIn::start();
    let model = block_on(builder(&server).version("2").connect()).unwrap();
    server.faults([Fault::Body(r#"{"model_version":"1","outputs":[]}"#.to_owned())]);
    assert_eq!(cause(&failure(&model)).to_string(), "model_version: found `1`, expected `2`");
}

#[test]
fn an_answer_that_is_too_large_is_not_read_to_its_end() {
    let server = StandIn::start();
    let settings = modelgate::source::HttpSettings::new().max_bytes(10_000);
    let model = block_on(builder(&server).http(settings).connect()).unwrap();
    server.faults([Fault::Huge(10_001)]);
    let error = failure(&model);
    assert!(matches!(cause(&error), remote::Error::TooLarge { limit: 10_000 }), "{error:?}");
    assert!(block_on(model.predict(&ROW)).is_ok());
}

#[test]
fn a_server_that_is_silent_is_given_up_at_the_deadline() {
    let server = StandIn::start();
    let model = block_on(builder(&server).deadline(Duration::from_millis(500)).connect()).unwrap();
    // What comes first on a connection takes time in a debug build.
    until("an answer", || block_on(model.predict(&ROW)).is_ok());
    server.faults([Fault::Silence]);
    let error = failure(&model);
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert_eq!(cause(&error).to_string(), "no answer within 500ms");
    server.until("the end of the request", |state| state.cancelled == 1);
    until("a free place", || model.status().in_flight == 0);
}

#[test]
fn a_request_ends_when_its_caller_goes() {
    let server = StandIn::start();
    let model = model(&server);
    server.faults([Fault::Silence]);
    {
        let mut answer = model.predict(&ROW);
        let mut context = Context::from_waker(Waker::noop());
        assert!(answer.as_mut().poll(&mut context).is_pending());
        server.until("a request", |state| state.inferences == 1);
        assert_eq!(server.state().cancelled, 0);
    }
    server.until("the end of the request", |state| state.cancelled == 1);
    until("a free place", || model.status().in_flight == 0);
    assert!(block_on(model.predict(&ROW)).is_ok());
}

#[test]
fn requests_beyond_the_limit_wait_or_are_refused() {
    let server = StandIn::start();
    let model = block_on(builder(&server).in_flight(2).waiting(1).connect()).unwrap();
    server.state().held = true;
    let mut context = Context::from_waker(Waker::noop());
    let mut answers: Vec<_> = (0..3).map(|_| model.predict(&ROW)).collect();
    for answer in &mut answers {
        assert!(answer.as_mut().poll(&mut context).is_pending());
    }
    let status = model.status();
    assert_eq!((status.in_flight, status.waiting), (2, 1));
    let Poll::Ready(refused) = pin!(model.predict(&ROW)).poll(&mut context) else {
        panic!("one more waits")
    };
    let error = refused.unwrap_err();
    assert!(matches!(cause(&error), remote::Error::Overloaded { in_flight: 2, waiting: 1 }));
    server.until("two requests", |state| state.inferences == 2);
    server.state().held = false;
    for answer in block_on(futures::future::join_all(answers)) {
        assert_eq!(answer.unwrap().label, Label::Int(2));
    }
    assert_eq!(server.state().inferences, 3);
    assert_eq!(model.status().refused, 1);
}

fn router(remote: remote::Classifier) -> AsyncModelRouter<[f32], Classification> {
    let local =
        |_: &[f32]| Ok(Classification { label: Label::from("local"), probabilities: vec![1.0] });
    ModelRouter::<[f32], Classification>::builder("ml-model-version")
        .model("v1", model_fn(local))
        .async_model("v2", remote)
        .fallback("v1")
        .breaker(modelgate::router::BreakerPolicy::disabled())
        .source(Rollout::everyone("v2").flag("ml-model-version").unwrap())
        .build_async()
        .unwrap()
}

fn answer(router: &AsyncModelRouter<[f32], Classification>) -> (Label, Option<FallbackCause>) {
    let context = modelgate::Context::new("user-1");
    let answer = block_on(router.predict(&context, ROW.to_vec())).unwrap();
    (answer.output().label.clone(), answer.fallback())
}

#[test]
fn the_version_in_the_process_answers_in_the_same_request() {
    let server = StandIn::start();
    let router = router(model(&server));
    assert_eq!(answer(&router), (Label::Int(2), None));
    let fault = |body: &str| Fault::Status(500, &[], body.to_owned());
    for fault in [Fault::Cut, Fault::Body("{".to_owned()), fault(""), Fault::Huge(100)] {
        server.faults([fault]);
        assert_eq!(answer(&router), (Label::from("local"), Some(FAILED)));
    }
    assert_eq!(answer(&router), (Label::Int(2), None));
}

#[test]
fn a_version_that_is_gone_gets_no_requests_until_it_is_back() {
    let server = StandIn::start();
    let model = block_on(builder(&server).connect()).unwrap();
    let router = router(model.clone());
    server.state().gone = true;
    // The first finds out, if the watch on the server's health does not.
    let (label, cause) = answer(&router);
    assert_eq!(label, Label::from("local"));
    assert!(matches!(cause, Some(FallbackCause::Failed(_) | FallbackCause::Ineligible)));
    let asked = server.state().inferences;
    assert_eq!(answer(&router), (Label::from("local"), Some(FallbackCause::Ineligible)));
    assert_eq!(server.state().inferences, asked);
    assert!(model.status().why.unwrap().starts_with("server does not have model `echo`"));
    let error = failure(&model);
    assert_eq!(error.kind(), ErrorKind::NotLoaded);

    server.state().gone = false;
    until("the version's return", || model.is_loaded());
    assert_eq!(answer(&router), (Label::Int(2), None));
}

#[test]
fn a_server_that_is_killed_is_used_again_when_it_is_back() {
    let server = StandIn::start();
    let address = server.address();
    let model = block_on(builder(&server).connect()).unwrap();
    let router = router(model.clone());
    assert_eq!(answer(&router), (Label::Int(2), None));
    drop(server);
    assert_eq!(answer(&router).0, Label::from("local"));
    until("the loss", || !model.is_loaded());
    assert!(model.status().why.unwrap().starts_with("server could not be reached"));
    assert_eq!(answer(&router), (Label::from("local"), Some(FallbackCause::Ineligible)));

    let server = StandIn::at(address, &[]);
    until("the server's return", || model.is_loaded());
    assert_eq!(answer(&router), (Label::Int(2), None));

    // What comes back as something else is not used.
    drop(server);
    until("the loss", || !model.is_loaded());
    let server = StandIn::at(address, &[]);
    server.state().model["inputs"][0]["shape"] = json!([-1, 4]);
    let why = "metadata: found other inputs, outputs or extensions";
    until("the refusal", || {
        model.is_loaded() || model.status().why.is_some_and(|found| found.starts_with(why))
    });
    // It may have been ready for a moment, before it was changed.
    if !model.is_loaded() {
        assert_eq!(answer(&router), (Label::from("local"), Some(FallbackCause::Ineligible)));
    }
}

#[test]
fn a_model_may_be_there_before_its_server() {
    let reserved = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = reserved.local_addr().unwrap();
    drop(reserved);
    let model = remote::Classifier::builder(format!("http://{address}"), "echo")
        .deadline(LONG)
        .health_interval(Duration::from_millis(50))
        .start()
        .unwrap();
    let router = router(model.clone());
    assert!(router.load("v2").is_err());
    assert_eq!(answer(&router), (Label::from("local"), Some(FallbackCause::Ineligible)));
    let _server = StandIn::at(address, &["binary_tensor_data"]);
    router.load("v2").unwrap();
    assert_eq!(answer(&router), (Label::Int(2), None));
}

#[test]
fn it_answers_on_tokio_as_well() {
    let server = StandIn::binary();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    // Without I/O and timers of the runtime's own: it needs neither.
    runtime.block_on(async {
        let model = builder(&server).connect().await.unwrap();
        let calls = (0..50).map(|_| {
            let model = model.clone();
            tokio::spawn(async move { model.predict(&ROW).await.map(|scores| scores.label) })
        });
        for answer in futures::future::join_all(calls).await {
            assert_eq!(answer.unwrap().unwrap(), Label::Int(2));
        }
    });
}
