package engine_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/stretchr/testify/require"
)

func TestWorkCounts(t *testing.T) {
	e := newEngine(nil)
	e.Store = patient{e.Store}
	ctx, hangUp := context.WithCancel(t.Context())
	looked := false
	err := e.Change(ctx, "ada", engine.Transition{
		Slow: func(core.Account, core.Env) engine.Work {
			if looked {
				return nil
			}
			return func(context.Context) error {
				looked = true
				hangUp()
				return nil
			}
		},
		Step: suspends,
	})
	require.NoError(t, err)
	a, err := e.Load(t.Context(), "ada")
	require.NoError(t, err)
	require.NotNil(t, a.Suspension)
}

func TestWorkIsBounded(t *testing.T) {
	e := newEngine(nil)
	rounds := 0
	require.NoError(t, e.Change(t.Context(), "ada", engine.Transition{
		Slow: func(core.Account, core.Env) engine.Work {
			return func(context.Context) error {
				rounds++
				return nil
			}
		},
		Step: signsIn,
	}))
	require.Equal(t, 12, rounds)
}

func TestWorkFails(t *testing.T) {
	e := newEngine(nil)
	fault := errors.New("fault")
	err := e.Change(t.Context(), "ada", engine.Transition{
		Slow: func(core.Account, core.Env) engine.Work { return func(context.Context) error { return fault } },
		Step: signsIn,
	})
	require.Equal(t, fault, err)
	a, err := e.Load(t.Context(), "ada")
	require.NoError(t, err)
	require.Zero(t, a.Epoch)
}

func TestWorkInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(nil)
		works := 0
		ended := make(chan error, 2)
		for range 2 {
			looked := false
			go func() {
				ended <- e.Change(t.Context(), "ada", engine.Transition{
					Slow: func(a core.Account, _ core.Env) engine.Work {
						if looked || a.SignIns >= 2 {
							return nil
						}
						return func(context.Context) error {
							looked = true
							works++
							time.Sleep(time.Second)
							return nil
						}
					},
					Step: signsIn,
				})
			}()
		}
		synctest.Wait()
		began := time.Now()
		require.NoError(t, e.Change(t.Context(), "ada", engine.Transition{Step: signsIn}))
		require.Equal(t, began, time.Now(), "it has waited for Argon2id")
		for range 2 {
			require.NoError(t, <-ended)
		}
		a, err := e.Load(t.Context(), "ada")
		require.NoError(t, err)
		require.EqualValues(t, 3, a.SignIns)
		require.Equal(t, 1, works)
	})
}

// Where as many are in line as may be, one more hears that it is busy: it is not decided without the work.
func TestLineIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(nil)
		slow := engine.Transition{
			Slow: func(a core.Account, _ core.Env) engine.Work {
				if a.SignIns > 0 {
					return nil
				}
				return func(ctx context.Context) error {
					time.Sleep(time.Second)
					return e.Change(ctx, "ada", engine.Transition{Step: signsIn})
				}
			},
			Step: func(a core.Account, _ core.Env) (core.Account, error) {
				if a.SignIns == 0 {
					t.Error("it was decided before the work was done")
				}
				return a, nil
			},
		}
		const room = 1024
		ended := make(chan error, room)
		for range room {
			go func() { ended <- e.Change(t.Context(), "ada", slow) }()
		}
		synctest.Wait()
		require.ErrorIs(t, e.Change(t.Context(), "ada", slow), engine.ErrBusy)
		for range room {
			require.NoError(t, <-ended)
		}
	})
}

func TestStoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(nil)
		e.Store = hanging{e.Store}
		began := time.Now()
		require.ErrorIs(t, e.Change(context.Background(), "ada", engine.Transition{Step: signsIn}), context.DeadlineExceeded)
		require.Equal(t, 5*time.Second, time.Since(began))
	})
}

type hanging struct{ storage.Store }

func (hanging) SaveAccount(ctx context.Context, _ storage.Record, _ int64) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestObserverChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &changing{}
		o.e = newEngine(o)
		began := time.Now()
		require.NoError(t, o.e.Change(t.Context(), "ada", engine.Transition{Step: suspends}))
		require.NoError(t, o.err)
		require.Equal(t, began, time.Now(), "it has waited for the turn")
		a, err := o.e.Load(t.Context(), "ada")
		require.NoError(t, err)
		require.EqualValues(t, 1, a.SignIns)
	})
}

type changing struct {
	e   *engine.Engine
	err error
}

func (o *changing) Observe(ctx context.Context, _ event.Event) {
	o.err = o.e.Change(ctx, "ada", engine.Transition{Step: signsIn})
}

func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(nil)
		saves := &counting{Store: e.Store}
		e.Store = saves
		ended := make(chan error, 8)
		for range 8 {
			go func() { ended <- e.Change(t.Context(), "ada", engine.Transition{Step: signsIn}) }()
		}
		for range 8 {
			require.NoError(t, <-ended)
		}
		require.EqualValues(t, 8, saves.n.Load())
	})
}

type counting struct {
	storage.Store
	n atomic.Int64
}

func (s *counting) SaveAccount(ctx context.Context, r storage.Record, prev int64) error {
	s.n.Add(1)
	time.Sleep(time.Millisecond)
	return s.Store.SaveAccount(ctx, r, prev)
}

func TestRefusedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &told{}
		e := newEngine(o)
		store := &silent{Store: e.Store}
		e.Store = store
		refusal := errors.New("refused")
		began := make(chan struct{})
		ended := make(chan error)
		go func() {
			ended <- e.Change(t.Context(), "ada", engine.Transition{
				Prepare: func(context.Context, core.Account, core.Env) error {
					close(began)
					time.Sleep(time.Second)
					return nil
				},
				Step: signsIn,
			})
		}()
		<-began
		start := time.Now()
		err := e.Change(t.Context(), "ada", engine.Transition{
			Refused: func(core.Account, core.Env) bool { return true },
			Step: func(a core.Account, env core.Env) (core.Account, error) {
				a.Events = []core.Event{{Kind: event.ThrottledBurst, At: env.Now.Unix()}}
				return a, refusal
			},
		})
		require.Equal(t, refusal, err)
		require.Equal(t, start, time.Now(), "it has waited for the turn")
		require.Equal(t, []event.Kind{event.ThrottledBurst}, o.kinds)

		fault := errors.New("fault")
		store.fault.Store(&fault)
		err = e.Change(t.Context(), "ada", engine.Transition{
			Refused: func(core.Account, core.Env) bool { return true },
			Step:    func(a core.Account, _ core.Env) (core.Account, error) { return a, refusal },
		})
		require.ErrorIs(t, err, fault, "not the refusal of an account that nobody has seen")
		store.fault.Store(nil)
		require.NoError(t, <-ended)
	})
}

// silent is a store that loads no account while there is a fault.
type silent struct {
	storage.Store
	fault atomic.Pointer[error]
}

func (s *silent) LoadAccount(ctx context.Context, id string) (storage.Record, error) {
	if fault := s.fault.Load(); fault != nil {
		return storage.Record{}, *fault
	}
	return s.Store.LoadAccount(ctx, id)
}

func TestWorkAfterWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(nil)
		ended := make(chan error, 2)
		for range 2 {
			looked := false
			go func() {
				ended <- e.Change(t.Context(), "ada", engine.Transition{
					Slow: func(core.Account, core.Env) engine.Work {
						if looked {
							return nil
						}
						return func(context.Context) error {
							looked = true
							time.Sleep(time.Second)
							return nil
						}
					},
					Step: func(a core.Account, _ core.Env) (core.Account, error) {
						if !looked {
							t.Error("it was decided before the work was done")
						}
						return a, nil
					},
				})
			}()
		}
		for range 2 {
			require.NoError(t, <-ended)
		}
	})
}
