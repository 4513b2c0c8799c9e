-- For wrk: predictions of the slow model, which takes no features.
wrk.method = "POST"
