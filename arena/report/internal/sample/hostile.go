package sample

import (
	"time"

	"github.com/turbone/jarvis/arena/report"
	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/scoring"
)

// Evil are names that try to be more than names.
var Evil = []string{
	`<script>window.hacked=1</script>`,
	`</title></svg><img src=x onerror="window.hacked=2">`,
	`"><svg onload=window.hacked=3>`,
	`' onmouseover='window.hacked=4`,
	`</style><style>*{display:none}</style>`,
	`</script><script>window.hacked=5</script>`,
	`{{.Secret}}<!--`,
	`]]><iframe src="javascript:window.hacked=6">`,
	"line\nbreak\x00\x1b[31m\u202Eright to left",
	"\xff\xfe not UTF-8 &amp; &lt;",
	"名前-モデル-🦙-with-a-name-that-goes-on-and-on-and-on-and-on-and-on-and-on-and-on-and-on-and-on-and-on-and-on",
	``,
}

// Hostile is a report in which every text is one of [Evil].
func Hostile() report.Data {
	next := 0
	evil := func() string {
		next++
		return Evil[next%len(Evil)]
	}
	tests := func() []scoring.Test {
		list := Tests(5, 24, 2, 0.6, time.Second)
		for i := range list {
			list[i].Task, list[i].Domain, list[i].Anomaly = Evil[i%len(Evil)], Evil[i%len(Evil)], scoring.Anomaly(Evil[(i+1)%len(Evil)])
			list[i].Outcome = []scoring.Outcome{scoring.Answered, scoring.TimedOut, scoring.Outcome(evil())}[i%3]
		}
		return list
	}
	d := report.Data{Title: evil(), Node: evil(), Champion: history.Champion{Model: evil()}}
	for i := range 2 * len(Evil) {
		run := Run(time.Unix(int64(i)*9000, 0).UTC(), evil(), tests(), i%2 == 0)
		run.Type, run.Node, run.ID, run.Suite, run.Unsteady, run.Crowned = evil(), evil(), evil(), evil(), evil(), i%5 == 0
		d.Runs = append(d.Runs, run)
		d.Alarms = append(d.Alarms, report.Alarm{Time: run.Time, Node: evil(), Kind: evil(), Text: evil()})
	}
	d.Tournament = Tournament()
	d.Tournament.Champion, d.Tournament.Candidate = Evil[0], Evil[1]
	d.Tournament.Verdict, d.Tournament.Reason = evil(), evil()
	d.Tournament.ChampionTests, d.Tournament.CandidateTests = tests(), tests()
	for i := range d.Tournament.Looks {
		d.Tournament.Looks[i].Guards = Evil
	}
	return d
}
