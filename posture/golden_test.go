package posture_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/posture"
)

var update = flag.Bool("update", false, "write testdata anew")

// golden has reviews that between them have every state and every field.
func golden(t *testing.T) map[string]posture.Review {
	gates := append([]posture.Gate{
		{Action: "billing.change", Controls: []string{posture.RecoveryCodesSaved}, Grace: posture.Grace{Before: ago(day), Until: now.Add(30 * day)}},
		{Action: "watched", Level: 3, ReportOnly: true},
	}, tableGates...)
	links := map[string]string{posture.SecondFactor: "/settings/security/pair"}

	weak := bare()
	weak.Host.Since = ago(400 * day)

	mixed := good()
	oneApp(&mixed)
	notSaved(&mixed)
	accept(now.Add(90*day), posture.SecondAuthenticator)(&mixed)
	mixed.Account.RecoveryCodes.Left, mixed.Account.CodeUseUnseen = 2, ago(3*day)
	mixed.Host.EmailVerified = posture.Unknown
	hidden := *adjusted(posture.KeysCurrent, posture.Adjustment{Hide: true})
	hidden.Version, hidden.Links, hidden.Controls = "7", links, []posture.Control{ownControl(func(posture.Facts, time.Time) posture.Result { panic("broken") })}

	elsewhere := good()
	delegated("mfa")(&elsewhere)
	return map[string]posture.Review{
		"password":  policyOf(t, posture.ModelConfig{Passkeys: true, Links: links}, gates...).Review(weak, now),
		"mixed":     policyOf(t, hidden, append(gates, posture.Gate{Action: "keys", Controls: []string{posture.KeysCurrent}})...).Review(mixed, now),
		"delegated": policyOf(t, *adjusted(posture.PhishingResistant, posture.Adjustment{LockedBy: "Team"}), gates...).Review(elsewhere, now),
	}
}

func TestGolden(t *testing.T) {
	for name, r := range golden(t) {
		object, err := json.MarshalIndent(r, "", "  ")
		require.NoError(t, err)
		var text bytes.Buffer
		require.NoError(t, r.WriteText(&text))
		for ext, got := range map[string][]byte{".json": append(object, '\n'), ".txt": text.Bytes()} {
			path := filepath.Join("testdata", name+ext)
			if *update {
				require.NoError(t, os.WriteFile(path, got, 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got), path)
		}
	}
}

// The same input gives the same bytes, also where it is told in another zone.
func TestSameBytes(t *testing.T) {
	first := golden(t)
	for range 20 {
		for name, r := range golden(t) {
			require.Equal(t, must(json.Marshal(first[name])), must(json.Marshal(r)), name)
		}
	}
	p := policyOf(t, posture.ModelConfig{Passkeys: true}, tableGates...)
	zone := time.FixedZone("", 3*3600)
	require.Equal(t, must(json.Marshal(p.Review(good(), now))), must(json.Marshal(p.Review(good(), now.In(zone).Add(time.Millisecond)))))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// fields collects the names of an object's fields and of those below, as "findings[].fix.text".
func fields(v any, path string, to map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for name, below := range v {
			at := strings.TrimPrefix(path+"."+name, ".")
			to[at] = true
			fields(below, at, to)
		}
	case []any:
		for _, below := range v {
			fields(below, path+"[]", to)
		}
	}
}

// TestJSONFields has the JSON of reviews and decisions have the fields that docs/posture.md lists, each
// in its table, and no other.
func TestJSONFields(t *testing.T) {
	got := map[string]bool{}
	for _, r := range golden(t) {
		fields(must2any(t, r), "", got)
	}
	f := bare()
	p := policyOf(t, posture.ModelConfig{Passkeys: true}, posture.Gate{Action: "act", Controls: []string{posture.SecondFactor}, MaxAge: time.Minute, SecondFactor: true, PhishingResistant: true})
	fields(map[string]any{"gates": []any{must2any(t, decide(p, "act", f, posture.Proof{}, now))}}, "", got)
	// An unmet finding is a finding.
	maps.DeleteFunc(got, func(name string, _ bool) bool { return strings.HasPrefix(name, "gates[].unmet[].") })

	page := string(must(os.ReadFile("../docs/posture.md")))
	_, section, ok := strings.Cut(page, "\n## JSON\n")
	require.True(t, ok)
	section, _, _ = strings.Cut(section, "\n## ")
	want := map[string]bool{}
	for line := range strings.Lines(section) {
		if cell, ok := strings.CutPrefix(line, "| `"); ok {
			name, _, _ := strings.Cut(cell, "`")
			want[name] = true
		}
	}
	require.NotEmpty(t, want)
	require.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)))
}

// TestDocsListControls has the page say of each built-in control what a report says.
func TestDocsListControls(t *testing.T) {
	page := string(must(os.ReadFile("../docs/posture.md")))
	for _, f := range policyOf(t, posture.ModelConfig{Passkeys: true}).Review(good(), now).Findings {
		require.Contains(t, page, strings.TrimSpace(fmt.Sprintf("\n| `%s` | %s | %s | %s", f.ID, f.Severity, f.Question, strings.Join(f.Standards, ", ")))+" |", f.ID)
	}
}

func must2any(t *testing.T, v any) (object any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(must(json.Marshal(v)), &object))
	return object
}

// Lists are lists and never null, whatever is in them.
func TestJSONHasNoNull(t *testing.T) {
	for _, r := range []posture.Review{
		policyOf(t, posture.ModelConfig{Passkeys: true}).Review(good(), now),
		policyOf(t, everything(posture.Adjustment{Hide: true})).Review(posture.Facts{Host: posture.Host{At: now}}, now),
		policyOf(t, posture.ModelConfig{Passkeys: true}, tableGates...).Review(bare(), now),
	} {
		require.NotContains(t, string(must(json.Marshal(r))), "null")
	}
	p := policyOf(t, posture.ModelConfig{Passkeys: true})
	require.JSONEq(t, `{"action": "act", "open": false, "unmet": []}`, string(must(json.Marshal(decide(p, "act", good(), posture.Proof{}, now)))))
}

// limited is a terminal that goes away after some bytes.
type limited int

func (l *limited) Write(p []byte) (int, error) {
	if len(p) > int(*l) {
		n := int(*l)
		*l = 0
		return n, errors.New("gone")
	}
	*l -= limited(len(p))
	return len(p), nil
}

func TestWriteTextFails(t *testing.T) {
	r := golden(t)["password"]
	var whole bytes.Buffer
	require.NoError(t, r.WriteText(&whole))
	for n := range whole.Len() {
		l := limited(n)
		require.Error(t, r.WriteText(&l), "after %d bytes", n)
	}
}
