package benchmarks_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/posture"
)

// BenchmarkEvaluate is one pure evaluation of an account that has some of everything.
func BenchmarkEvaluate(b *testing.B) {
	now := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	f := posture.Facts{
		Authenticators: []posture.Authenticator{{ID: "A1", Name: "Phone", Created: now}, {ID: "A2", Name: "Tablet", Created: now}},
		Recovery:       posture.RecoverySet{Total: 10, Left: 7, Acknowledged: now},
		RecoveryUnseen: now.Add(-time.Hour), KeysCurrent: true, TokensKnown: true,
		Tokens: []posture.Token{
			{ID: "1", Name: "ci", Works: true, Created: now, Expires: now.Add(time.Hour), Unused: []string{"logs:read"}},
			{ID: "2", Name: "cli", Works: true, Created: now, Expires: now.Add(1000 * time.Hour), LastUsed: now},
		},
		Host: posture.Host{At: now, EmailVerified: posture.Yes},
	}
	m, err := posture.NewModel(posture.ModelConfig{})
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if r := m.Evaluate(f, now); r.Level != 2 {
			b.Fatal(r.Level)
		}
	}
}
