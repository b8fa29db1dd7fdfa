package core

import (
	"fmt"
	"slices"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/storage"
)

// MaxServices is how many service accounts an account can own.
const MaxServices = 50

// CanServe returns nil if an account can be a service account of an owner, or is. Only one that is not there can become
// one: then nobody has a factor, a proof or a token of it.
func (a Account) CanServe(owner string) error {
	switch {
	case a.ServiceOf == owner:
		return nil
	case a.ServiceOf != "":
		return fmt.Errorf("%w: it is the service account of another owner", ErrPrecondition)
	case !a.Absent():
		return fmt.Errorf("%w: the account has a record, so somebody may have signed in to it", ErrPrecondition)
	}
	return nil
}

// Serve makes an account the service account of an owner, whose record lists it already.
func (a Account) Serve(by By, owner string, env Env) (Account, error) {
	if err := a.CanServe(owner); err != nil || a.ServiceOf == owner {
		return a, err
	}
	a = a.clone().Create(env)
	a.ServiceOf = owner
	a.note(env, by.event(event.ServiceAccountCreated))
	a.endFirstFactors(env)
	return a, nil
}

// Owns reports whether a service account is on the owner's list. One that is not there yet, or is no longer there, gets
// no secret.
func (a Account) Owns(service string) bool { return slices.Contains(a.Services, service) }

// Own puts a service account on its owner's list.
func (a Account) Own(by By, service string, env Env) (Account, error) {
	switch {
	case a.ServiceOf != "":
		return a, fmt.Errorf("%w: the owner is a service account", ErrPrecondition)
	case a.Owns(service):
		return a, nil
	case a.Suspension != nil:
		return a, fmt.Errorf("%w: the owner is suspended", ErrPrecondition)
	case len(a.Services) >= MaxServices:
		return a, fmt.Errorf("%w: an account owns at most %d service accounts", ErrPrecondition, MaxServices)
	}
	a = a.clone().Create(env)
	a.Services = append(a.Services, service)
	e := by.event(event.ServiceAccountCreated)
	e.Service = service
	a.note(env, e)
	return a, nil
}

// Disown takes a service account off its owner's list.
func (a Account) Disown(by By, service string, env Env) Account {
	if !a.Owns(service) {
		return a
	}
	a = a.clone()
	a.Services = slices.DeleteFunc(a.Services, func(id string) bool { return id == service })
	if len(a.Services) == 0 {
		a.Services = nil
	}
	e := by.event(event.ServiceAccountRemoved)
	e.Service = service
	a.note(env, e)
	return a
}

// SuspendWith suspends a service account because its owner was suspended. One that is suspended already still changes,
// so that a Resume which is under way meets a conflict and looks at the owner again.
func (a Account) SuspendWith(owner string, by By, env Env) Account {
	if a.ServiceOf == "" || a.ServiceOf != owner {
		return a
	}
	if a.Suspension != nil {
		a = a.clone()
		a.endEpoch(env)
		return a
	}
	return a.Suspend(by, env)
}

// CanVouchFor returns nil if a service account may get a secret, or work again, as far as its owner is concerned.
func (a Account) CanVouchFor(service string) error {
	switch {
	case !a.Owns(service):
		return fmt.Errorf("%w: the owner no longer has this service account", ErrPrecondition)
	case a.Suspension != nil:
		return fmt.Errorf("%w: its owner is suspended", ErrPrecondition)
	}
	return nil
}

// signsIn returns ErrPrecondition for an account that nobody signs in to, now or ever.
func (a Account) signsIn() error {
	if a.ServiceOf != "" {
		return fmt.Errorf("%w: nobody signs in to a service account", ErrPrecondition)
	}
	return a.notSuspended()
}

// Closed reports whether an account lets nobody in, whatever its factors.
func (a Account) Closed() bool { return a.Suspension != nil || a.ServiceOf != "" }

// ServiceUnseen returns when a service account last came to be, or last got a secret, that its owner has not looked at;
// 0 for never.
func (a Account) ServiceUnseen() int64 {
	for _, e := range slices.Backward(a.Activity) {
		switch e.Kind {
		case event.ServiceAccountCreated, event.ServiceTokenMinted, event.ServiceTokenRotated, event.ServiceTokenRenewed:
			if a.toBeSeen(e) {
				return e.At
			}
		}
	}
	return 0
}

// brokenServices is broken for what makes a service account, and for those that an account owns.
func (a Account) brokenServices() string {
	if len(a.Services) > MaxServices {
		return "too many service accounts"
	}
	for i, id := range a.Services {
		if storage.CheckID(id) != nil || id == a.ID || slices.Index(a.Services, id) != i {
			return "list of service accounts"
		}
	}
	if a.ServiceOf == "" {
		return ""
	}
	factors := a.Factors() > 0 || a.Pending != nil || a.Recovery != nil || a.Reset != nil
	if factors || len(a.Services) > 0 || a.ServiceOf == a.ID || storage.CheckID(a.ServiceOf) != nil {
		return "service account"
	}
	return ""
}
