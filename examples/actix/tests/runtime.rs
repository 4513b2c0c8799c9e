//! A shadow of a model that needs tokio, in a router that actix's runtime drives.

use std::time::Duration;

use modelgate::{
    Context, ModelError, ModelRouter, Shadow, async_model_fn, model_fn,
    shadow::{Budget, DropCause},
    testing::TestFlags,
};

const PATIENCE: Duration = Duration::from_secs(60);

#[actix_web::test]
async fn a_shadow_finds_the_runtime_of_actix() {
    let sleeps = async_model_fn(|_: &[f64]| {
        Box::pin(async {
            actix_web::rt::time::sleep(Duration::from_millis(1)).await;
            Ok::<_, ModelError>(2.0)
        })
    });
    let router = ModelRouter::builder("ml-model-version")
        .model("v1", model_fn(|_: &[f64]| Ok(1.0)))
        .async_model("v2", sleeps)
        .fallback("v1")
        .source(TestFlags::new().with("ml-model-version", "v1"))
        .shadow(Shadow::always().candidate("v2").budget(Budget::unlimited()))
        .build_async()
        .unwrap();
    router.ready(PATIENCE).await.unwrap();
    let ask = || async { *router.predict(&Context::new("user-1"), vec![]).await.unwrap().output() };
    assert_eq!(ask().await, 1.0);
    assert!(router.flushed(PATIENCE).await);
    let counts = || router.stats().shadows[0].candidates[0].clone();
    assert_eq!(counts().completed(), 1);
    assert!(router.shutdown(PATIENCE).await);
    // A router that has been shut down still answers.
    assert_eq!(ask().await, 1.0);
    assert_eq!(counts().dropped(DropCause::Shutdown), 1);
}
