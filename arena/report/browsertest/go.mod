module github.com/turbone/jarvis/arena/report/browsertest

go 1.26.0

replace github.com/turbone/jarvis => ../../..

require (
	github.com/chromedp/cdproto v0.159.0
	github.com/chromedp/chromedp v0.23.0
	github.com/google/go-cmp v0.7.0
	github.com/turbone/jarvis v0.0.0
)

require (
	github.com/go-json-experiment/json v1.27.2 // indirect
	github.com/google/uuid v1.6.0 // indirect
	gonum.org/v1/gonum v0.17.0 // indirect
)
