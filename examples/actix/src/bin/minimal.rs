//! The least that an actix-web service needs: data, a handler, errors as statuses.
//!
//! ```sh
//! cargo run --manifest-path examples/actix/Cargo.toml --bin minimal
//! curl -s localhost:8080/predict -H 'x-user-id: user-42' --json '{"amount": 120, "age": 31}'
//! ```

use std::{error::Error, time::Duration};

use actix_web::{App, HttpRequest, HttpServer, error, post, web};
use modelgate::{Context, ModelRouter, Rollout, Shadow, compare::Tolerance, model_fn};
use serde::{Deserialize, Serialize};

type Models = ModelRouter<Payment, f64>;

#[derive(Clone, Deserialize)]
struct Payment {
    amount: f64,
    age: f64,
}

#[derive(Serialize)]
struct Answer {
    risk: f64,
    version: String,
}

#[post("/predict")]
async fn predict(
    models: web::Data<Models>,
    request: HttpRequest,
    payment: web::Json<Payment>,
) -> actix_web::Result<web::Json<Answer>> {
    let user = request.headers().get("x-user-id").and_then(|id| id.to_str().ok());
    let context = user.map_or_else(Context::anonymous, Context::new);
    let answer =
        models.predict(&context, &payment).map_err(|refused| match refused.is_invalid_input() {
            true => error::ErrorUnprocessableEntity("this payment cannot be judged"),
            false => error::ErrorServiceUnavailable("no model answered"),
        })?;
    Ok(web::Json(Answer { risk: *answer.output(), version: answer.version().to_string() }))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let models: Models = ModelRouter::builder("risk-model")
        .model("v1", model_fn(|payment: &Payment| Ok(payment.amount / 1_000.0)))
        .model("v2", model_fn(|payment: &Payment| Ok(payment.amount / (10.0 * payment.age))))
        .fallback("v1")
        .source(Rollout::percent("v2", 25.0).or("v1").flag("risk-model")?)
        .shadow(Shadow::always().candidate("v2"))
        .compare(Tolerance::absolute(0.1))
        .build()?;
    let shared = web::Data::new(models.clone());
    let app = move || App::new().app_data(shared.clone()).service(predict);
    HttpServer::new(app).bind(("127.0.0.1", 8080))?.run().await?;
    models.shutdown(Duration::from_secs(5)); // Ends what still runs in shadow.
    Ok(())
}
