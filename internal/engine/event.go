package engine

import (
	"context"
	"net/netip"
	"time"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
)

// Event returns an event of an account as it is told.
func Event(account string, e core.Event) event.Event {
	told := event.Event{
		Kind: e.Kind, AccountID: account, At: time.Unix(e.At, 0).UTC(), Method: e.Method,
		AuthenticatorID: e.Auth, TokenID: e.Token, ServiceAccountID: e.Service, Address: e.Address, OperatorID: e.Operator, Reason: e.Detail,
		Why: e.Why.String(), CodesLeft: e.Left, RetryAt: core.Time(e.RetryAt), Expires: core.Time(e.Expires), Count: max(e.Count, 1),
		First: core.Time(e.First), Number: e.Number, Level: e.Level, Score: e.Score,
	}
	told.SignIn, told.Agent = e.SignIn, e.Client.Agent
	if told.Address == "" {
		told.Address = Address(e.Client)
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

// Notices returns what waits for the owner of an account, as it is told, the oldest first.
func Notices(a core.Account) (notices []event.Notice) {
	for _, n := range a.Notices {
		notices = append(notices, event.Notice{ID: n.ID.String(), Event: Event(a.ID, n.Event)})
	}
	return notices
}

// told returns an event of an account that a request has caused.
func told(ctx context.Context, account string, e core.Event) event.Event {
	out := Event(account, e)
	c, _ := event.ClientOf(ctx)
	if out.Agent == "" {
		out.Agent = c.Agent
	}
	if out.Address == "" && c.Address.IsValid() {
		out.Address = c.Address.String()
	}
	return out
}

// Address returns the address of a client as text, "" where it is not known.
func Address(c core.Client) string {
	from, ok := netip.AddrFromSlice([]byte(c.Address))
	if !ok {
		return ""
	}
	return from.String()
}
