package gatehouse

import (
	"context"
	"time"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
)

func eventOf(account string, e core.Event) event.Event {
	told := event.Event{
		Kind: e.Kind, AccountID: account, At: time.Unix(e.At, 0).UTC(), Method: e.Method,
		AuthenticatorID: e.Auth, TokenID: e.Token, Address: e.Address, OperatorID: e.Operator, Reason: e.Detail,
		Why: e.Why.String(), CodesLeft: e.Left, RetryAt: core.Time(e.RetryAt), Count: max(e.Count, 1),
		First: core.Time(e.First), Number: e.Number, Level: e.Level, Score: e.Score,
	}
	switch {
	case e.Token != "":
		told.TokenName = e.Name
	case e.Kind == event.RiskAccepted || e.Kind == event.RiskWithdrawn:
		told.Control = e.Name
	default:
		told.AuthenticatorName = e.Name
	}
	return told
}

// Activity returns what has happened to an account, newest first: as a rule the last 20 entries, of which ten
// are kept for changes of factors. What an owner has to look at, such as the use of a recovery code or a new
// token, stays until ReviewActivity has named it or a later entry; where there is too much of that, entries of one
// kind become a run. A run, also of denied codes, is one entry with its Count and the times of the first and the
// last. Show it to the owner, who alone can say "that was not me".
func (s *Service) Activity(ctx context.Context, account string) ([]event.Event, error) {
	a, _, err := s.load(ctx, account)
	if err != nil {
		return nil, err
	}
	events := make([]event.Event, 0, len(a.Activity))
	for i := len(a.Activity) - 1; i >= 0; i-- {
		events = append(events, eventOf(account, a.Activity[i]))
	}
	return events, nil
}
