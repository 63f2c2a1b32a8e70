-- For wrk: sends the requests of a file in turn, each a line of path, tab and body, and prints one line of JSON.
local requests, sent = {}, 0

function init(args)
  wrk.headers["Content-Type"] = "application/json"
  for line in io.lines(args[1]) do
    local path, body = line:match("^([^\t]+)\t(.*)$")
    requests[#requests + 1] = wrk.format("POST", path, nil, body)
  end
end

function request()
  sent = sent + 1
  return requests[(sent - 1) % #requests + 1]
end

function done(summary, latency)
  local bad = 0
  for _, count in pairs(summary.errors) do
    bad = bad + count
  end
  print(string.format(
    '{"requests": %d, "microseconds": %d, "bad": %d, "p50": %.1f, "p99": %.1f}',
    summary.requests, summary.duration, bad, latency:percentile(50), latency:percentile(99)
  ))
end
