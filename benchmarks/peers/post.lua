-- wrk -s post.lua URL -- FILE DIGIT: posts the file's JSON, looks into every answer, prints one line of JSON.

local threads = {}

function setup(thread)
   table.insert(threads, thread)
end

function init(args)
   local file = assert(io.open(args[1]))
   wrk.method, wrk.body = "POST", file:read("*a")
   wrk.headers["Content-Type"] = "application/json"
   file:close()
   expected = '"digit":%s*' .. args[2] .. "%D"
   right, wrong, busy, refused = 0, 0, 0, 0
end

function response(status, headers, body)
   if status == 503 and headers["Retry-After"] then
      busy = busy + 1
   elseif status ~= 200 and status ~= 201 then
      refused = refused + 1
   elseif body:find(expected) then
      right = right + 1
   else
      wrong = wrong + 1
   end
end

function done(summary, latency)
   local line = string.format(
      '"seconds": %f, "p50": %f, "p95": %f, "p99": %f, "timeouts": %d, "broken": %d',
      summary.duration / 1e6,
      latency:percentile(50) / 1e3,
      latency:percentile(95) / 1e3,
      latency:percentile(99) / 1e3,
      summary.errors.timeout,
      summary.errors.connect + summary.errors.read + summary.errors.write
   )
   for _, name in ipairs({ "right", "wrong", "busy", "refused" }) do
      local total = 0
      for _, thread in ipairs(threads) do
         total = total + thread:get(name)
      end
      line = line .. string.format(', "%s": %d', name, total)
   end
   io.write("\n{" .. line .. "}\n")
end
