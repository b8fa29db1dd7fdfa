package engine_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/totp"
)

type told struct{ kinds []event.Kind }

func (o *told) Observe(_ context.Context, e event.Event) { o.kinds = append(o.kinds, e.Kind) }

func newEngine(o event.Observer) *engine.Engine {
	keys := keyring.Generate()
	return engine.New(engine.Config{
		Store: memory.New(), Keys: keys, Sealer: keys, Window: totp.DefaultWindow(), Observer: o, Now: time.Now,
	})
}

func suspends(a core.Account, env core.Env) (core.Account, error) {
	return a.Suspend(core.By{Operator: "op"}, env), nil
}

// trailTo returns what notes a score.
func trailTo(score int) func(core.Account, event.Kind, core.Env) core.Account {
	return func(a core.Account, cause event.Kind, env core.Env) core.Account {
		return a.Record(core.Snapshot{Model: "1", Score: score, Cause: cause}, env)
	}
}

// What a change does is told before what it makes of the posture, and nothing of it is left out.
func TestTrailKeepsEvents(t *testing.T) {
	o := &told{}
	e := newEngine(o)
	e.Hooks.Trail = func(context.Context, core.Account, engine.Tokens) func(core.Account, event.Kind, core.Env) core.Account {
		return trailTo(7)
	}
	require.NoError(t, e.Change(t.Context(), "ada", engine.Transition{Step: suspends}))
	require.Equal(t, []event.Kind{event.AccountSuspended, event.PostureChanged}, o.kinds)
	a, err := e.Load(t.Context(), "ada")
	require.NoError(t, err)
	require.NotNil(t, a.Suspension)
	require.Len(t, a.History, 1)
	require.Equal(t, event.AccountSuspended, a.History[0].Cause)
}

// Evidence that takes for ever takes nothing from a change, such as the lock after a wrong code, also if its maker has
// hung up.
func TestTrailHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(nil)
		e.Store = patient{e.Store}
		e.Hooks.Trail = func(ctx context.Context, _ core.Account, _ engine.Tokens) func(core.Account, event.Kind, core.Env) core.Account {
			require.NoError(t, ctx.Err(), "it was given up before it began")
			<-ctx.Done()
			return nil
		}
		ctx, hangUp := context.WithCancel(t.Context())
		err := e.Change(ctx, "ada", engine.Transition{Step: func(a core.Account, env core.Env) (core.Account, error) {
			hangUp()
			return suspends(a, env)
		}})
		require.NoError(t, err)
		a, err := e.Load(t.Context(), "ada")
		require.NoError(t, err)
		require.NotNil(t, a.Suspension)
	})
}

// Whatever evidence has taken, a store that is slow has as long for the save of a wrong code as for that of a right one:
// who guesses must not learn that a code was wrong from a fault that has counted nothing.
func TestTrailTakesNoTimeFromTheSave(t *testing.T) {
	for name, works := range map[string]bool{"a code of an app": false, "a recovery code": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(nil)
				e.Store = slow{e.Store, 4 * time.Second}
				e.Hooks.Trail = func(ctx context.Context, _ core.Account, _ engine.Tokens) func(core.Account, event.Kind, core.Env) core.Account {
					<-ctx.Done()
					return nil
				}
				require.NoError(t, e.Change(t.Context(), "ada", engine.Transition{
					Slow: func(core.Account, core.Env) engine.Work {
						if !works {
							return nil
						}
						return func(context.Context) error { works = false; return nil }
					},
					Step: suspends,
				}))
				a, err := e.Load(t.Context(), "ada")
				require.NoError(t, err)
				require.NotNil(t, a.Suspension)
			})
		})
	}
}

// What panics of the evidence or of the note takes nothing from the save either, nor does a note that takes its time.
func TestTrailFails(t *testing.T) {
	type note = func(core.Account, event.Kind, core.Env) core.Account
	for name, trail := range map[string]func() note{
		"the evidence panics": func() note { panic("the host") },
		"the note panics":     func() note { return func(core.Account, event.Kind, core.Env) core.Account { panic("the host") } },
		"the note takes long": func() note {
			return func(a core.Account, cause event.Kind, env core.Env) core.Account {
				<-time.After(time.Minute)
				return trailTo(7)(a, cause, env)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &told{}
				e := newEngine(o)
				e.Store = patient{e.Store}
				e.Hooks.Trail = func(context.Context, core.Account, engine.Tokens) note { return trail() }
				require.NoError(t, e.Change(t.Context(), "ada", engine.Transition{Step: suspends}))
				require.Equal(t, event.AccountSuspended, o.kinds[0])
				a, err := e.Load(t.Context(), "ada")
				require.NoError(t, err)
				require.NotNil(t, a.Suspension)
			})
		})
	}
}

// slow is a store that takes a time to save.
type slow struct {
	storage.Store
	takes time.Duration
}

func (s slow) SaveAccount(ctx context.Context, r storage.Record, prev int64) error {
	select {
	case <-time.After(s.takes):
		return s.Store.SaveAccount(ctx, r, prev)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Nobody's change waits for the evidence that follows what was done to a token: whoever holds one that rotates itself
// causes that as often as they like.
func TestFollowHoldsNoTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(nil)
		require.NoError(t, e.Change(t.Context(), "ada", engine.Transition{Step: signsIn}))
		asked := make(chan struct{})
		e.Hooks.Trail = func(ctx context.Context, _ core.Account, _ engine.Tokens) func(core.Account, event.Kind, core.Env) core.Account {
			close(asked)
			<-ctx.Done()
			return trailTo(7)
		}
		followed := make(chan struct{})
		go func() {
			e.Follow(t.Context(), "ada", []core.Event{{Kind: event.TokenRotated}})
			close(followed)
		}()
		<-asked
		require.NoError(t, e.Change(t.Context(), "ada", engine.Transition{Step: signsIn}))
		select {
		case <-followed:
			t.Fatal("it has waited")
		default:
		}
		<-followed
		a, err := e.Load(t.Context(), "ada")
		require.NoError(t, err)
		require.EqualValues(t, 2, a.SignIns)
		require.Len(t, a.History, 1, "and evidence that came at the last moment is noted")
	})
}

// patient saves only for callers that are still there.
type patient struct{ storage.Store }

func (s patient) SaveAccount(ctx context.Context, r storage.Record, prev int64) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.Store.SaveAccount(ctx, r, prev)
}

// A record that is removed between its load and its save is told as one that is not there, in the words of its kind:
// services compare that error.
func TestRemovedMeanwhile(t *testing.T) {
	gone := errors.New("gone")
	loads := 0
	kind := engine.Kind[core.Account]{
		Name: "record",
		Load: func(context.Context, string) (engine.Kept[core.Account], error) {
			if loads++; loads > 1 {
				return engine.Kept[core.Account]{}, gone
			}
			return engine.Kept[core.Account]{Record: core.Account{ID: "ada"}}, nil
		},
		Save: func(context.Context, core.Account, []byte, int64, int64) error { return storage.ErrConflict },
	}
	err := engine.Apply(t.Context(), kind, "ada", func(a core.Account) (core.Account, error) {
		a.Epoch = 1
		return a, nil
	})
	require.True(t, err == gone, "%v", err)
}

// crossed is a store on which others save at the same time: at each save of ours it is said whether that is made before
// the conflict that is its answer, and how many others are saved then.
type crossed struct {
	storage.Store
	saves []save
}

type save struct {
	made   bool
	others int
}

func (s *crossed) SaveAccount(ctx context.Context, r storage.Record, prev int64) error {
	if len(s.saves) == 0 {
		return s.Store.SaveAccount(ctx, r, prev)
	}
	now := s.saves[0]
	s.saves = s.saves[1:]
	if now.made {
		if err := s.Store.SaveAccount(ctx, r, prev); err != nil {
			return err
		}
	}
	other := newEngine(nil)
	other.Store = s.Store
	for range now.others {
		if err := other.Change(ctx, r.ID, engine.Transition{Step: signsIn}); err != nil {
			return err
		}
	}
	return storage.ErrConflict
}

func signsIn(a core.Account, env core.Env) (core.Account, error) {
	a = a.Create(env)
	a.SignIns++
	return a, nil
}

// kindOf is how accounts are loaded and saved.
func kindOf(s storage.Store) engine.Kind[core.Account] {
	return engine.Kind[core.Account]{
		Name: "account",
		Load: func(ctx context.Context, id string) (engine.Kept[core.Account], error) {
			rec, err := s.LoadAccount(ctx, id)
			if err != nil {
				return engine.Kept[core.Account]{}, err
			}
			a, err := core.Decode(id, rec.Data)
			return engine.Kept[core.Account]{Record: a, Version: rec.Version, Data: rec.Data}, err
		},
		Save: func(ctx context.Context, a core.Account, data []byte, version, prev int64) error {
			return s.SaveAccount(ctx, storage.Record{ID: a.ID, Version: version, Data: data, Index: a.Index(totp.DefaultWindow())}, prev)
		},
	}
}

// What became of a save of which the reply was a conflict is found out from what is stored: a change is made once, and
// where that is not known, nobody is told that it was not made. Up to sixteen saves by others are told apart from it.
func TestConflicts(t *testing.T) {
	refusal, denial := errors.New("refused"), errors.New("denied")
	for name, c := range map[string]struct {
		saves  []save
		good   int  // times that the change is made before it is refused; 0: it is not refused
		denies bool // its answer is a denial, which is saved
		steps  int
		want   error
	}{
		"made":                                {saves: []save{{made: true}}, good: 1, steps: 1},
		"made, 15 others":                     {saves: []save{{made: true, others: 15}}, good: 1, steps: 1},
		"made, 16 others":                     {saves: []save{{made: true, others: 16}}, good: 1, steps: 1},
		"made, 17 others, refused":            {saves: []save{{made: true, others: 17}}, good: 1, steps: 2, want: engine.ErrUnsure},
		"made, 17 others, made again":         {saves: []save{{made: true, others: 17}}, steps: 2},
		"not made":                            {saves: []save{{}}, steps: 2},
		"not made, refused":                   {saves: []save{{}}, good: 1, steps: 2, want: refusal},
		"not made, 15 others, refused":        {saves: []save{{others: 15}}, good: 1, steps: 2, want: refusal},
		"not made, 17 others, refused":        {saves: []save{{others: 17}}, good: 1, steps: 2, want: engine.ErrUnsure},
		"unsure, then not made, refused":      {saves: []save{{others: 17}, {others: 1}}, good: 2, steps: 3, want: engine.ErrUnsure},
		"denied and made, 17 others, refused": {saves: []save{{made: true, others: 17}}, good: 1, denies: true, steps: 2, want: refusal},
		"denied and made":                     {saves: []save{{made: true}}, good: 1, denies: true, steps: 1, want: denial},
	} {
		for _, way := range []string{"Change, refused by Step", "Change, refused by Prepare", "Apply"} {
			if c.denies && way == "Apply" {
				continue // it saves no refusal
			}
			t.Run(name+", "+way, func(t *testing.T) {
				e := newEngine(nil)
				for range 20 { // its ancestry is full
					require.NoError(t, e.Change(t.Context(), "ada", engine.Transition{Step: signsIn}))
				}
				e.Store = &crossed{Store: e.Store, saves: c.saves}
				steps := 0
				refused := func() error {
					if steps++; c.good > 0 && steps > c.good {
						return refusal
					}
					return nil
				}
				step := func(a core.Account, env core.Env) (core.Account, error) {
					if way != "Change, refused by Prepare" {
						if err := refused(); err != nil {
							return a, err
						}
					}
					a, _ = signsIn(a, env)
					if c.denies {
						return a, denial
					}
					return a, nil
				}
				var err error
				switch way {
				case "Apply":
					err = engine.Apply(t.Context(), kindOf(e.Store), "ada", func(a core.Account) (core.Account, error) { return step(a, e.Env()) })
				case "Change, refused by Prepare":
					err = e.Change(t.Context(), "ada", engine.Transition{
						Prepare: func(context.Context, core.Account, core.Env) error { return refused() }, Step: step,
					})
				default:
					err = e.Change(t.Context(), "ada", engine.Transition{Step: step})
				}
				require.Equal(t, c.want, err)
				require.Equal(t, c.steps, steps)
			})
		}
	}
}

// Twelve conflicts in a row give a change up, as one that was not made, unless that is not known.
func TestGivesUp(t *testing.T) {
	for _, unsure := range []bool{false, true} {
		e := newEngine(nil)
		for range 20 {
			require.NoError(t, e.Change(t.Context(), "ada", engine.Transition{Step: signsIn}))
		}
		saves := make([]save, 12)
		if unsure {
			saves[3].others = 17
		}
		e.Store = &crossed{Store: e.Store, saves: saves}
		err := e.Change(t.Context(), "ada", engine.Transition{Step: signsIn})
		require.Error(t, err)
		require.Equal(t, unsure, errors.Is(err, engine.ErrUnsure))
		a, err := e.Load(t.Context(), "ada")
		require.NoError(t, err)
		require.EqualValues(t, map[bool]int{false: 20, true: 37}[unsure], a.SignIns)
	}
}

// What was looked at counts, also if whoever asked for it hangs up while that takes its time.
// Work that is never done ends after a while, and what it was for is decided without it.
// Work that fails ends the change, and nothing is saved.
// Of two that need Argon2id for one account, the second looks at what the first has left before it begins: where that is
// enough to decide, it spends nothing. Meanwhile others who need none are let through.
// A store that never answers does not hold a change for ever, though its maker would wait.
// An observer can change the account of which it is told: nobody has its turn then.
// Who changes an account while another change of it is under way waits for that, and makes no conflict.
// counting is a store that takes its time for a save.
// What is refused anyway is refused while somebody else has the turn, and told.
// Hooks.Changed is told the account before and after, once its events were, of saved changes alone.
func TestChanged(t *testing.T) {
	o := &told{}
	e := newEngine(o)
	var seen []bool
	e.Hooks.Changed = func(_ context.Context, before, after core.Account) {
		require.NotEmpty(t, o.kinds)
		seen = append(seen, before.Suspension != nil, after.Suspension != nil)
	}
	for range 2 { // the second changes nothing
		require.NoError(t, e.Change(t.Context(), "ada", engine.Transition{Step: suspends}))
	}
	require.Equal(t, []bool{false, true}, seen)
}

// Whoever has waited for Argon2id does the work that is still to be done, though nothing has changed meanwhile.
// What has happened is told also where it changes nothing that is stored.
func TestUnchangedIsTold(t *testing.T) {
	o := &told{}
	e := newEngine(o)
	require.NoError(t, e.Change(t.Context(), "ada", engine.Transition{Step: func(a core.Account, env core.Env) (core.Account, error) {
		a.Events = []core.Event{{Kind: event.SecondFactorMissing, At: env.Now.Unix()}}
		return a, nil
	}}))
	require.Equal(t, []event.Kind{event.SecondFactorMissing}, o.kinds)
}

// A change that goes with one of a token moves the posture by that token's event, with the tokens as they will be.
func TestTrailOfTokens(t *testing.T) {
	e := newEngine(nil)
	tokens := func(context.Context, core.Account) (any, error) { return "as they will be", nil }
	e.Hooks.Trail = func(ctx context.Context, a core.Account, tokens engine.Tokens) func(core.Account, event.Kind, core.Env) core.Account {
		live, err := tokens(ctx, a)
		require.NoError(t, err)
		require.Equal(t, "as they will be", live)
		return trailTo(3)
	}
	require.NoError(t, e.Change(t.Context(), "ada", engine.Transition{Step: signsIn, Tokens: tokens, TokenEvent: event.TokenMinted}))
	a, err := e.Load(t.Context(), "ada")
	require.NoError(t, err)
	require.Len(t, a.History, 1)
	require.Equal(t, event.TokenMinted, a.History[0].Cause)
}
