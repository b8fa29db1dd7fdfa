package main

import (
	"context"

	"github.com/gatehouse-go/gatehouse/notify"
	"github.com/gatehouse-go/gatehouse/notify/email"
)

// newNotices has owners told by mail what happens to their accounts, with a link to the Security page for what they did not
// do. Where nobody knows the address of that page, there are no such mails.
func (a *app) newNotices(o options) (err error) {
	if o.Origin == "" {
		return nil
	}
	a.mails, err = email.New(email.Config{Name: name, Page: o.Origin + securityPath, Recipient: a.recipient, Send: o.Send, Faults: o.Log})
	if err != nil {
		return err
	}
	a.notices, err = notify.New(a.svc, notify.Config{})
	return err
}

// recipient is email.Config.Recipient. A service where addresses can be changed gives the earlier ones as well for a while:
// whoever has taken over an account changes its address first.
func (a *app) recipient(ctx context.Context, account string) (email.Recipient, error) {
	u, err := a.users.byID(ctx, account)
	if err != nil || u.id == "" {
		return email.Recipient{}, err
	}
	return email.Recipient{Addresses: []string{u.email}}, nil
}

// tell sends these mails until ctx ends. Run it for as long as the service runs: what nobody sends stays in the accounts.
func (a *app) tell(ctx context.Context) {
	if a.notices != nil {
		_ = a.notices.Drain(ctx, a.mails) // the error is ctx's
	}
}
