package benchmarks_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// BenchmarkEvaluate is one pure evaluation of an account that has some of everything.
func BenchmarkEvaluate(b *testing.B) {
	now := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	f := posture.Facts{
		Account: gatehouse.Account{
			Authenticators: []gatehouse.Authenticator{{ID: "A1", Name: "Phone", Created: now}, {ID: "A2", Name: "Tablet", Created: now}},
			RecoveryCodes:  gatehouse.RecoverySet{Total: 10, Left: 7, Acknowledged: now},
			TOTP:           gatehouse.MethodState{Available: true}, RecoveryCode: gatehouse.MethodState{Available: true},
			CodeUseUnseen: now.Add(-time.Hour), KeysCurrent: true,
		},
		Tokens: []tokens.Info{
			{ID: "1", Name: "ci", State: tokens.StateActive, Created: now, Expires: now.Add(time.Hour), Unused: tokens.Scopes{"logs:read"}, SecondFactor: true},
			{ID: "2", Name: "cli", State: tokens.StateActive, Created: now, Expires: now.Add(1000 * time.Hour), LastUsed: now, SecondFactor: true},
		},
		TokensKnown: true,
		Host:        posture.Host{At: now, EmailVerified: posture.Yes},
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
