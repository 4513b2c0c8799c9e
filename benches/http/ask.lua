-- Requests for wrk: held-out digits from many users, as fast as possible or at a pace.
--
-- MODELGATE_ROWS   a CSV of features and a label
-- MODELGATE_DELAY  milliseconds that a connection waits between an answer and its next request

local requests = {}
local delay_ms = tonumber(os.getenv("MODELGATE_DELAY") or "0")

function init()
  local number = 0
  for line in io.lines(os.getenv("MODELGATE_ROWS")) do
    if number > 0 then
      local row = line:gsub(",[^,]*$", ""):gsub("%.0", "")
      for user = 1, 4 do
        requests[#requests + 1] = wrk.format("POST", "/predict", {
          ["Content-Type"] = "application/json",
          ["X-User-ID"] = "user-" .. (number * 4 + user),
        }, '{"features":[' .. row .. "]}")
      end
    end
    number = number + 1
  end
  math.randomseed(os.time())
end

local next_request = 0

function request()
  next_request = next_request % #requests + 1
  return requests[next_request]
end

if delay_ms > 0 then
  function delay()
    -- wrk waits whole milliseconds: drawn so that they average to what was asked, and so that the
    -- connections do not march in step.
    local drawn = math.random() * 2 * delay_ms
    local whole = math.floor(drawn)
    if math.random() < drawn - whole then whole = whole + 1 end
    return whole
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
