module bulkhead.dev/test

go 1.26.0

require bulkhead.dev/sdk v0.0.0

replace bulkhead.dev/sdk => ../sdk
