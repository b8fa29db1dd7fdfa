//go:build linux && !race

package cluster_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// finding takes note of what the books find wrong, in the place of a test.
type finding struct{ text strings.Builder }

func (f *finding) Errorf(format string, _ ...any) { f.text.WriteString(format) }

// TestBooks has the books find what no cluster should do. Records are a second apart, and each takes half of one.
func TestBooks(t *testing.T) {
	began := time.Now()
	at := func(n int) time.Time { return began.Add(time.Duration(n) * time.Second) }
	judge := func(b *books, records ...record) bool {
		for i := range records {
			r := &records[i]
			r.Account, r.Begin, r.End = "a", at(i), at(i).Add(time.Second/2)
			if r.Outcome == "" {
				r.Outcome = done
			}
		}
		var f finding
		b.once(&f, records)
		b.rights(&f, records)
		b.fresh(&f, records)
		b.counted(&f, records)
		return f.text.Len() == 0
	}
	in, met := record{Do: signIn, Step: 1}, record{Do: signIn, Step: 2, Outcome: faulty}
	later, last := record{Do: signIn, Step: 3}, record{Do: signIn, Step: 4}
	sees := func(signIns, step int64) record { return record{Do: read, SignIn: signIns, Step: step} }
	for _, one := range []struct {
		name    string
		records []record
		good    bool
	}{
		{"a sign-in", []record{in, sees(1, 1), later, sees(2, 3)}, true},
		{"a step twice", []record{in, in}, false},
		{"a code twice", []record{{Do: raceCode, Code: "c"}, {Do: recovered, Code: "c"}}, false},
		{"a rotation twice", []record{{Do: rotate, ID: "t", Count: 1}, {Do: rotate, ID: "t", Count: 1}}, false},
		{"two rotations", []record{{Do: rotate, ID: "t", Count: 1}, {Do: rotate, ID: "t", Count: 2}}, true},
		{"a challenge twice", []record{{Do: again}}, false},
		{"a token that has ended", []record{{Do: checkEnded}}, false},
		{"an owner denied", []record{{Do: signIn, Step: 1, Outcome: denied}}, false},
		{"an owner refused", []record{{Do: mint, Outcome: refused}}, false},
		{"a race lost", []record{{Do: race, Step: 1, Outcome: denied}}, true},
		{"a record that cannot be read", []record{{Do: race, Step: 1, Outcome: broken}}, false},
		{"a sign-in after one that met a fault", []record{met, {Do: signIn, Step: 3, Outcome: denied}}, true},
		{"a sign-in after one of a worker that was killed", []record{{Do: lost, Outcome: faulty}, {Do: signIn, Step: 3, Outcome: denied}}, true},
		{"the one after that", []record{met, {Do: signIn, Step: 3, Outcome: denied}, {Do: signIn, Step: 4, Outcome: denied}}, false},
		{"a load that misses a step", []record{in, sees(1, 0)}, false},
		{"a load that misses a sign-in", []record{in, sees(0, 1)}, false},
		{"a sign-in that was counted twice", []record{in, sees(1, 1), later, sees(3, 3)}, false},
		{"one that met a fault and was carried out", []record{in, sees(1, 1), met, sees(2, 2), later, sees(3, 3)}, true},
		{"and that was not", []record{in, sees(1, 1), met, sees(1, 1), later, sees(2, 3)}, true},
		{"and that was carried out late", []record{in, sees(1, 1), met, sees(1, 1), sees(2, 2)}, true},
		{"and that was, when another one has come since", []record{in, met, later, sees(2, 3), sees(3, 3)}, false},
		{"a sign-in that was counted twice, after that", []record{in, met, later, sees(3, 3), last, sees(5, 4)}, false},
	} {
		require.Equal(t, one.good, judge(newBooks(), one.records...), one.name)
	}

	b := newBooks()
	b.allowed = []span{{at(0), at(2)}}
	require.True(t, judge(b, in, sees(0, 0)), "a load may be stale now")
	require.Len(t, b.stale, 1)
	require.False(t, judge(b, in, later, last, sees(2, 3)), "and not after that")
}

// TestBooksLater has what the store has be of a call that had begun when it was looked at.
func TestBooksLater(t *testing.T) {
	b := newBooks()
	began := time.Now()
	than := []record{{Do: confirm, ID: "x"}}
	b.note(than[0])
	b.note(record{Do: remove, ID: "y", Begin: began})
	b.note(record{Do: remove, ID: "x", Begin: began.Add(2)})
	is := func(r record) bool { return r.ID == "x" && r.Do == remove }
	require.Error(t, b.later(than, began.Add(1), is)(t.Context()), "it began later")
	require.NoError(t, b.later(than, began.Add(3), is)(t.Context()))
}

// TestBooksExercised takes one thing away from all that has to happen.
func TestBooksExercised(t *testing.T) {
	all := []record{{Do: race, Step: 1, Outcome: denied}}
	for _, do := range everything {
		all = append(all, record{Do: do, Step: 1, Outcome: map[bool]outcome{true: denied, false: done}[do == again || do == checkEnded]})
	}
	for missing := -1; missing < len(all); missing++ {
		b := newBooks()
		for i, r := range all {
			if i != missing {
				b.note(r)
			}
		}
		require.Equal(t, missing < 0, b.exercised(t.Context()) == nil, "without the %dth", missing)
	}
	other := newBooks()
	for _, r := range all {
		if r.Outcome == denied && r.Do == race {
			r.Step = 2
		}
		other.note(r)
	}
	require.Error(t, other.exercised(t.Context()), "one step was won, another one lost")
}
