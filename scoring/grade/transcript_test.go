package grade

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// Each command in testdata/verdicts is a grader; the lines beneath are the
// question, after "q ", and answers, quoted where they hold a line's end. The
// output is the verdict of each.
//
//	go test ./scoring/grade -run TestVerdicts -rewrite
func TestVerdicts(t *testing.T) {
	datadriven.Walk(t, "testdata/verdicts", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			grader, err := graderOf(t, d)
			if err != nil {
				return "error: " + err.Error() + "\n"
			}
			var out strings.Builder
			question := ""
			for _, line := range strings.Split(strings.TrimSuffix(d.Input, "\n"), "\n") {
				if q, ok := strings.CutPrefix(line, "q "); ok {
					question = unquoted(t, q)
					continue
				}
				verdict := "wrong"
				if grader.Grade(question, unquoted(t, line)) {
					verdict = "right"
				}
				fmt.Fprintf(&out, "%s %s\n", verdict, line)
			}
			return out.String()
		})
	})
}

func unquoted(t *testing.T, line string) string {
	if !strings.HasPrefix(line, `"`) || !strings.HasSuffix(line, `"`) || len(line) < 2 {
		return line
	}
	text, err := strconv.Unquote(line)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return text
}

// graderOf makes the grader of a command: "expect is=4", "number is=4 unit=s
// tolerance=0.1", "choice is=B A=red B=blue", "json path=a is=1", "regex is=4",
// "oneof is=(a, b)". An underscore stands for a space.
func graderOf(t *testing.T, d *datadriven.TestData) (Grader, error) {
	var want []string
	arguments := map[string]string{}
	for _, argument := range d.CmdArgs {
		values := argument.Vals
		for i := range values {
			values[i] = strings.ReplaceAll(values[i], "_", " ")
		}
		if argument.Key == "is" {
			want = values
			continue
		}
		arguments[argument.Key] = strings.Join(values, ",")
	}
	number := func(text string) float64 {
		if text == "" {
			return 0
		}
		figure, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		return figure
	}
	is := strings.Join(want, ",")
	switch d.Cmd {
	case "expect":
		return Expect(is)
	case "number":
		return Number(number(is), NumberOptions{
			Tolerance: number(arguments["tolerance"]), Relative: number(arguments["relative"]), Unit: arguments["unit"],
		})
	case "choice":
		var options map[string]string
		if len(arguments) > 0 {
			options = arguments
		}
		return Choice(is, options)
	case "json":
		return JSON(arguments["path"], json.RawMessage(is))
	case "regex":
		return Regex(is)
	case "oneof":
		return OneOf(want...)
	}
	t.Fatalf("no command %q", d.Cmd)
	return nil, nil
}
