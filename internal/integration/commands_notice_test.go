package integration_test

import (
	"context"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
)

// holdFor is for how many seconds a drainer has an account to itself.
const holdFor = 90

// visit is a drainer's to an account: what it has to tell.
type visit struct {
	id   string
	list []notice
	held int64 // until when nobody else has the account
}

// postbox is what owners were told, and the drainers that are on their way.
type postbox struct {
	visits  []visit
	notices map[core.NoticeID]notice // that there ever were; what is one never changes
	of      map[core.NoticeID]string // accounts
}

// Drain begins a drainer's visit to an account, or goes on with one: its sink takes some of what is held, or all of it, and
// the drainer dies before it says so, or says so late, when others may have begun.
func (m *machine) Drain(t *rapid.T) {
	p := m.process(t)
	if len(m.visits) == 0 || oneIn(t, 3, "another visit") {
		m.beginVisit(t, p, m.likely(t, hasNotices))
	}
	if len(m.visits) == 0 || oneIn(t, 4, "later") {
		return
	}
	i := rapid.IntRange(0, len(m.visits)-1).Draw(t, "visit")
	v := m.visits[i]
	m.visits = append(m.visits[:i:i], m.visits[i+1:]...)
	told := v.list[:rapid.IntRange(0, len(v.list)).Draw(t, "the sink takes")]
	if oneIn(t, 4, "and the drainer dies") {
		return
	}
	m.do(t, p, call{
		name: "NoticesTold", account: v.id,
		rule: func(a *account, _ int64) answer { a.noticesTold(told, v.held); return answer{} },
		run: func(ctx context.Context, s *process) error {
			return engine.Of(s.Service).Change(ctx, v.id, engine.Transition{Step: func(a core.Account, _ core.Env) (core.Account, error) {
				var ids []core.NoticeID
				for _, n := range told {
					ids = append(ids, n.id)
				}
				return a.NoticesTold(ids, v.held), nil
			}})
		},
	})
}

func (m *machine) beginVisit(t *rapid.T, p *process, id string) {
	var list []core.Notice
	var held bool
	m.do(t, p, call{
		name: "HoldNotices", account: id,
		rule: func(a *account, now int64) answer {
			if !a.holdNotices(now) {
				return state
			}
			return answer{}
		},
		run: func(ctx context.Context, s *process) error {
			err := engine.Of(s.Service).Change(ctx, id, engine.Transition{Step: func(a core.Account, env core.Env) (core.Account, error) {
				a, held = a.HoldNotices(holdFor, env)
				list = a.Notices
				return a, nil
			}})
			if err == nil && !held {
				return gatehouse.ErrPrecondition
			}
			return err
		},
		told: func(a *account, _ answer) {
			v := visit{id: id, held: a.noticesHeld}
			for _, n := range list {
				v.list = append(v.list, storedNotice(n))
			}
			require.Equal(t, a.outbox, v.list)
			m.visits = append(m.visits, v)
		},
	})
}

// checkNotices has a notice keep what it says for as long as it has its ID, which is nobody else's.
func (m *machine) checkNotices(t *rapid.T, a core.Account) {
	for _, n := range a.Notices {
		was, known := m.notices[n.ID]
		if !known {
			m.notices[n.ID], m.of[n.ID] = storedNotice(n), a.ID
			continue
		}
		require.Equal(t, was, storedNotice(n))
		require.Equal(t, m.of[n.ID], a.ID)
	}
}

// untold compares what a deletion returns with what its owner had yet to be told.
func untold(t *rapid.T, want []notice, got []event.Notice) {
	require.Len(t, got, len(want))
	for i, n := range want {
		require.Equal(t, n.kind, got[i].Kind)
		require.Equal(t, n.id.String(), got[i].ID)
	}
}
