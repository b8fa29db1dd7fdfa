package core_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/totp"
)

// A risk that is accepted again takes the place of what was said before, and of nothing else. Sixteen can be accepted at a
// time, and one of them again.
func TestAcceptAgain(t *testing.T) {
	at := start
	env := func() core.Env { return core.Env{Now: at, Fresh: 7, Window: totp.DefaultWindow()} }
	accept := func(a core.Account, control, why string) core.Account {
		t.Helper()
		at = at.Add(time.Second)
		a, err := a.Accept(core.By{Operator: "op", Reason: why}, control, at.Unix()+60, env())
		require.NoError(t, err)
		return a
	}
	said := func(a core.Account) (list []string) {
		for _, x := range a.Accepted {
			list = append(list, x.Control+" "+x.Why)
		}
		return list
	}
	a := accept(accept(core.Account{ID: "user-42"}, "one", "first"), "two", "first")
	again := accept(a, "one", "second")
	require.Equal(t, []string{"one first", "two first"}, said(a), "as it was")
	require.Equal(t, []string{"two first", "one second"}, said(again))
	require.Equal(t, at.Unix()+60, again.Accepted[1].Until)
	require.Equal(t, []string{"two first"}, said(again.Withdraw(core.By{Operator: "op"}, "one", env())))

	for i := range 14 {
		again = accept(again, fmt.Sprint("own-", i), "first")
	}
	_, err := again.Accept(core.By{Operator: "op", Reason: "first"}, "three", 0, env())
	require.ErrorIs(t, err, core.ErrPrecondition)
	require.Len(t, accept(again, "two", "second").Accepted, 16)
}

// A level or a score that is another is kept, also where the other of the two is not.
func TestRecordSeesBoth(t *testing.T) {
	env := core.Env{Now: start, Fresh: 7, Window: totp.DefaultWindow()}
	a := core.Account{ID: "user-42", Epoch: 1}
	for _, x := range []struct{ level, score, want int }{{1, 79, 1}, {2, 79, 2}, {2, 79, 2}, {2, 80, 3}, {2, 80, 3}, {1, 80, 4}} {
		a = a.Record(core.Snapshot{Model: "1", Level: x.level, Score: x.score}, env)
		require.Len(t, a.History, x.want)
		require.Equal(t, []int{x.level, x.score}, []int{a.History[x.want-1].Level, a.History[x.want-1].Score})
	}
}
