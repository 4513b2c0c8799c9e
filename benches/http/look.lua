-- For wrk: one look every 5 milliseconds or so, as a load balancer's; and exact latencies.
function delay()
  return 5
end

function done(summary, latency)
  io.write(string.format("RESULT %d %d %d\n", latency:percentile(50), latency:percentile(99),
    latency.max))
end
