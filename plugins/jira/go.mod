module bulkhead.dev/plugins/jira

go 1.26

require bulkhead.dev/sdk v0.0.0

replace bulkhead.dev/sdk => ../../sdk
