package dashboard_test

import (
	"encoding/json"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
)

const (
	file = "../../docs/telemetry-dashboard.json"
	page = "../../docs/telemetry.md"
)

// board is what matters here of a Grafana dashboard.
type board struct {
	Templating struct {
		List []struct{ Name, Query string }
	}
	Panels []panel
}

type panel struct {
	ID      int
	Type    string
	Title   string
	GridPos struct{ X, Y, W, H int }
	Targets []struct{ Expr, LegendFormat, RefID string }
}

func load(t *testing.T) board {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var b board
	require.NoError(t, json.Unmarshal(text, &b))
	return b
}

// query fills in what Grafana fills in.
var query = strings.NewReplacer("$__rate_interval", "5m", "$job", ".+").Replace

// Each query of the dashboard has an answer after a minute of a service's life, with the labels that its legend names.
func TestQueriesHaveAnswers(t *testing.T) {
	db := scraped(t)
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, Parser: parser.NewParser(parser.Options{})})
	queries := 0
	for _, p := range load(t).Panels {
		require.Equal(t, p.Type == "row", len(p.Targets) == 0, p.Title)
		for _, target := range p.Targets {
			queries++
			q, err := engine.NewInstantQuery(t.Context(), db, nil, query(target.Expr), db.at)
			require.NoError(t, err, target.Expr)
			result := q.Exec(t.Context())
			require.NoError(t, result.Err, target.Expr)
			vector, err := result.Vector()
			require.NoError(t, err, target.Expr)
			answers := slices.DeleteFunc(vector, func(s promql.Sample) bool { return math.IsNaN(s.F) })
			require.NotEmpty(t, answers, "%s: %s", p.Title, target.Expr)
			for _, name := range legend(target.LegendFormat) {
				require.True(t, slices.ContainsFunc(answers, func(s promql.Sample) bool { return s.Metric.Has(name) }), "%s: no %s", p.Title, name)
			}
			q.Close()
		}
	}
	require.Greater(t, queries, 20)
}

func legend(format string) (names []string) {
	for _, m := range regexp.MustCompile(`{{(\w+)}}`).FindAllStringSubmatch(format, -1) {
		names = append(names, m[1])
	}
	return names
}

// Each metric and label in a query is one that is exported, and each value one that there is: a query with a name that is not
// there has an answer too, which is nothing. The alerts in the documentation are queries as well.
func TestQueriesNameWhatIsThere(t *testing.T) {
	db := scraped(t)
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	used := map[string]bool{}
	for _, p := range load(t).Panels {
		for _, target := range p.Targets {
			for _, name := range db.check(t, string(text), query(target.Expr)) {
				used[name] = true
			}
		}
	}
	for name := range db.labels { // what is worth exporting is worth a panel
		base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
		require.True(t, used[base] || used[base+"_bucket"] || used[base+"_count"], "no panel shows %s", name)
		require.True(t, strings.Contains(string(text), "`"+base+"`"), "the documentation does not name %s", base)
	}
	alerts := regexp.MustCompile("(?m)^\\| [^|`]+ \\| `([^`]+)`.* \\|$").FindAllStringSubmatch(string(text), -1)
	require.Len(t, alerts, 6)
	for _, alert := range alerts {
		require.NotEmpty(t, db.check(t, string(text), strings.ReplaceAll(alert[1], `\|`, "|")))
	}
}

// check returns the metrics that a query names, once all that it names is there.
func (db *database) check(t *testing.T, text, query string) (metrics []string) {
	t.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	require.NoError(t, err, query)
	var has []string // labels of the metrics in it
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if selector, ok := node.(*parser.VectorSelector); ok {
			of := db.labels[selector.Name]
			require.NotEmpty(t, of, "no metric is named so: %s", query)
			has = append(has, of...)
			metrics = append(metrics, selector.Name)
			for _, m := range selector.LabelMatchers {
				require.Contains(t, append(of, model.MetricNameLabel), m.Name, query)
				for value := range strings.SplitSeq(m.Value, "|") {
					require.True(t, db.has(m.Name, value) || strings.Contains(text, "`"+value+"`"), "%s is never %s: %s", m.Name, value, query)
				}
			}
		}
		return nil
	})
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if sum, ok := node.(*parser.AggregateExpr); ok && len(sum.Grouping) > 0 {
			require.Subset(t, has, sum.Grouping, query)
		}
		return nil
	})
	return metrics
}

// has reports whether a label may have a value, or one that a pattern matches.
func (db *database) has(label, pattern string) bool {
	whole := regexp.MustCompile("^(?:" + pattern + ")$")
	if label == "gatehouse_event_kind" {
		return slices.ContainsFunc(event.Kinds(), func(k event.Kind) bool { return whole.MatchString(string(k)) })
	}
	for _, s := range db.series {
		if whole.MatchString(s.labels.Get(label)) {
			return true
		}
	}
	return false
}

// Panels fill their rows and do not lie on one another, and the variables are those that the queries name.
func TestLayout(t *testing.T) {
	b := load(t)
	taken, ids := map[[2]int]string{}, map[int]bool{}
	for _, p := range b.Panels {
		require.False(t, ids[p.ID], p.Title)
		ids[p.ID] = true
		require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				require.Empty(t, taken[at], p.Title)
				taken[at] = p.Title
			}
		}
	}
	var names []string
	for _, v := range b.Templating.List {
		names = append(names, v.Name)
	}
	require.Equal(t, []string{"datasource", "job"}, names)
	require.Equal(t, "label_values(gatehouse_call_duration_seconds_count, job)", b.Templating.List[1].Query)
}
