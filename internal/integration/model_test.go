package integration_test

import (
	"regexp"
	"slices"
	"strings"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/totp"
)

// account is the model: what a person would say that an account is. Each of its methods is the rule of
// one call: it changes the account and says what the answer must be. Moments are Unix seconds, 0 for
// never. The model knows secrets and codes in the clear, and neither keys, hashes nor versions.
type account struct {
	id        string
	stored    bool // it has a record that is not only what a deletion leaves
	apps      []app
	passkeys  []passkey
	named     bool // it has a handle
	pending   *pending
	codes     *codes
	reset     *reset // from an operator's reset to the next confirmed enrollment
	suspended int64  // since when
	since     int64  // first factors that were checked by then are over

	browsers   []browser // in order of their last second step
	from       string    // the secret of the one that the present call comes from
	strangers  streak    // of browsers that are not known
	known      streak    // of all others
	missFull   int64     // the same for those of ours, and for wrong assertions, of which no more are kept
	bucketFull int64     // when ten wrong recovery codes are free again
	failed     []int64   // the day of each wrong code of the last thirty days, whatever was right since
	told       [2]int64  // when it was told last that they are many, and how many

	imported core.ImportState // whether another import may add to the factors

	signIns    int64
	epoch      int // counts what ends challenges and proofs; goes on after a deletion
	tokenEpoch int // counts what ends all tokens; goes on as well

	keepsNotices bool
	outbox       []notice // what the owner must be told, the oldest first
	noticesHeld  int64    // by a drainer, until then

	tokenLog []entry // of the activity, what became of tokens; without end
}

// app is an authenticator app.
type app struct {
	id, name      string
	key           key
	sealedBy      string     // the name of the key that its secret is sealed under
	last          int64      // step accepted last, or of an import
	steps         [][2]int64 // accepted ever, in runs
	base          int
	created, used int64
}

// key is a totp.Key that can be compared.
type key struct {
	secret    string // in base32
	algorithm totp.Algorithm
	digits    int
	weak      bool
}

type pending struct {
	app     app
	passkey bool // of its app there are then an ID, a name and when it was created
	replace string
	codes   *codes
	expires int64
	tries   int
}

// codes is a set of recovery codes. A text that nobody was told, as the reply was lost, is empty.
type codes struct {
	id                    string
	list                  []code
	imported              bool
	created, acknowledged int64
}

type code struct {
	text  string
	used  bool
	eight bool // eight digits, of another system: typed where a TOTP code is
	plain bool // another system had it in plain: it can be spelled in several ways
}

type reset struct {
	code        code
	at, expires int64
	life        int64 // of the code
}

// challenge is what the text of a challenge stands for.
type challenge struct {
	account string
	epoch   int
	signIns int64
	at      int64
}

// proof is what the text of a proof stands for.
type proof struct {
	account string
	kind    kind
	at      int64
	session string // "": tied to none
	epoch   int

	passkey string // "hwk" or "swk": by one that stays on its device, or one that can be in a backup
}

type kind string

const (
	vouched      kind = "vouched"
	secondFactor kind = "second factor"
	recoveryCode kind = "recovery code"
	operatorCode kind = "operator code"
)

// answer is what a call must answer. The zero answer is a success.
type answer struct {
	err      error
	retryAt  int64 // of a denial
	disabled bool

	proof *proof // that comes with a success
	app   string // whose code it was

	passkey string // that was accepted
	left    int    // unused recovery codes
}

var (
	denied  = answer{err: gatehouse.ErrDenied}
	stepUp  = answer{err: gatehouse.ErrStepUpRequired}
	state   = answer{err: gatehouse.ErrPrecondition}
	missing = answer{err: gatehouse.ErrNotFound}
	invalid = answer{err: gatehouse.ErrInvalid}
)

const (
	minute = 60
	hour   = 60 * minute
	day    = 24 * hour
	side   = 1 // steps of the window on either side
)

func (a *account) factors() int { return len(a.apps) + len(a.passkeys) }

func (a *account) protected() bool { return a.factors() > 0 || a.reset != nil }

// fresh says whether a moment is at most age ago, and not ahead by more than clocks differ.
func fresh(at, now, age int64) bool { return now-age <= at && at <= now+30 }

func (a *account) create() {
	if !a.recorded() {
		a.epoch++
	}
	if !a.stored {
		a.stored = true
		a.tokenEpoch++
	}
}

func (a *account) endEpoch() {
	a.epoch++
	a.pending = nil
}

// left says whether the store has the epoch of an account that was deleted.
func (a *account) left() bool { return !a.stored && a.since != 0 }

// recorded says whether the store has an epoch of it.
func (a *account) recorded() bool { return a.stored || a.left() }

// touch ends the epoch of an account that is there, and makes the first of one that is not.
func (a *account) touch() {
	had := a.recorded()
	a.create()
	if had {
		a.endEpoch()
	}
}

// --- codes ---

// lock says whether a method takes no codes now, and until when: 0 for good.
func (a *account) lock(m event.Method, now int64) (until int64, locked bool) {
	if m == event.MethodTOTP {
		s, most := a.streak(now)
		return s.lock(most, now)
	}
	until = a.bucket(now) - 9*6
	return until, now < until
}

// limits says how many wrong TOTP codes are free and how many are the last: 5 and 50 for the three steps of
// one authenticator, and as many times fewer as there are more steps. A hundred recovery codes of eight digits count as
// one step.
func (a *account) limits() (free, most int) {
	hundredths := a.codes.eights()
	for _, app := range a.apps {
		hundredths += 100 * len(app.window(0))
	}
	hundredths = max(hundredths, 300)
	return max(1500/hundredths, 1), 15000 / hundredths
}

// lies says whether a moment is still to come that was set as one a time ahead. What is farther ahead was
// set by a clock that had run ahead.
func lies(at, now, ahead int64) bool { return now < at && at <= now+ahead+30 }

// missed keeps a wrong code of ours, which takes nothing from the bucket, as a rule. (A wrong code whose tag is right is
// one in a million.) Ten in a row are kept, and then one in six seconds.
func (a *account) missed(now int64) answer {
	full := a.missFull
	if full > now+10*6+30 {
		full = now + 9*6
	}
	full = max(full, now)
	if now < full-9*6 {
		return denied
	}
	a.missFull = full + 6
	a.failedOn(now)
	return denied
}

// bucket says when the bucket is full. One fuller of wrong codes than can be is of a clock that had
// run ahead, and leaves one try.
func (a *account) bucket(now int64) int64 {
	if a.bucketFull > now+10*6+30 {
		return now + 9*6
	}
	return max(a.bucketFull, now)
}

func (a *account) current(c challenge, now int64) bool {
	return c.account == a.id && a.stored && c.epoch == a.epoch && c.signIns == a.signIns && fresh(c.at, now, 5*minute)
}

// refuses says what is denied without a look at the code. guess says whether it could be a code of
// anything that the account has.
func (a *account) refuses(m event.Method, c *challenge, guess bool, now int64) (answer, bool) {
	if !a.protected() || a.suspended != 0 || c != nil && !a.current(*c, now) {
		return denied, true
	}
	if until, locked := a.lock(m, now); locked {
		return answer{err: gatehouse.ErrDenied, retryAt: until, disabled: until == 0}, true
	}
	return denied, !guess
}

// guessed counts a wrong code.
func (a *account) guessed(m event.Method, now int64) answer {
	if m == event.MethodTOTP {
		a.wrongTOTP(now)
	} else {
		a.bucketFull = a.bucket(now) + 6
		if _, locked := a.lock(m, now); locked {
			a.owe(notice{kind: event.MethodLocked, at: now})
		}
	}
	a.failedOn(now)
	until, locked := a.lock(m, now)
	if !locked {
		return denied
	}
	return answer{err: gatehouse.ErrDenied, retryAt: until, disabled: until == 0}
}

// failedOn remembers a wrong code, and tells if there are many. Those of days to come are of a clock that has
// run back, and count as of today.
func (a *account) failedOn(now int64) {
	today := now / day
	a.failed = slices.DeleteFunc(append(a.failed, today), func(d int64) bool { return d <= today-30 })
	for i := range a.failed {
		a.failed[i] = min(a.failed[i], today)
	}
	many := int64(len(a.failed))
	if many >= 20 && (now-a.told[0] >= 7*day || a.told[0] > now+30 || many >= 2*a.told[1]) {
		a.told = [2]int64{now, many}
		a.owe(notice{kind: event.ManyFailures, at: now, count: int(many)})
	}
}

// present is the rule of Answer, and of StepUp if there is no challenge.
func (a *account) present(c *challenge, typed, session string, now int64) answer {
	if isTOTP(typed) {
		return a.presentTOTP(c, typed, session, now)
	}
	return a.presentCode(event.MethodRecoveryCode, c, typed, session, now)
}

func (a *account) presentTOTP(challenge *challenge, typed, session string, now int64) answer {
	if no, refused := a.refuses(event.MethodTOTP, challenge, len(a.apps) > 0 || a.codes.hasEight() && len(typed) == 8, now); refused {
		return no
	}
	for i := range a.apps {
		if app := &a.apps[i]; app.match(typed, now) {
			app.used = now
			return a.accepted(challenge, secondFactor, session, app.id, now)
		}
	}
	if a.codes != nil {
		for i, c := range a.codes.list {
			if c.eight && !c.used && c.text == typed { // it resets no count
				a.codes.list[i].used = true
				return a.accepted(challenge, recoveryCode, session, "", now)
			}
		}
	}
	return a.guessed(event.MethodTOTP, now)
}

// window is the steps that a code is looked for in: around the present one, and around where the app was when it
// was resynchronized.
func (a *app) window(now int64) (steps []int64) {
	for _, center := range []int64{now / 30, now/30 + int64(a.base)} {
		for step := center - side; step <= center+side; step++ {
			if !slices.Contains(steps, step) {
				steps = append(steps, step)
			}
		}
	}
	slices.Sort(steps)
	return steps
}

// refused is the step up to which codes are refused where the window goes up to top: the highest that was
// accepted, and the last one, unless the clock has run back from it by over an hour.
func (a *app) refused(top int64) (step int64) {
	for _, run := range a.steps {
		if run[0] <= top {
			step = run[1]
		}
	}
	if a.last-top <= 120 {
		step = max(step, a.last)
	}
	return step
}

// spend keeps that steps were accepted, the last of which is the last.
func (a *app) spend(first, last int64) {
	a.last = last
	steps := append(slices.Clone(a.steps), [2]int64{first, last})
	slices.SortFunc(steps, func(a, b [2]int64) int { return int(a[0] - b[0]) })
	join := func(i int) {
		steps[i][1] = max(steps[i][1], steps[i+1][1])
		steps = slices.Delete(steps, i+1, i+2)
	}
	for i := 0; i < len(steps)-1; {
		if steps[i+1][0]-steps[i][1] <= 1 {
			join(i)
		} else {
			i++
		}
	}
	for len(steps) > 12 { // the gap that is the shortest for its age is forgotten
		gap := func(i int) int64 { return steps[i+1][0] - steps[i][1] }
		age := func(i int) int64 { return max(last-steps[i+1][0], 0) + 120 }
		least := 0
		for i := range steps[1:] {
			if gap(i)*age(least) < gap(least)*age(i) {
				least = i
			}
		}
		join(least)
	}
	a.steps = steps
}

// match accepts the code of a step in the window that is not refused, unless it is the code of a refused step
// as well.
func (a *app) match(typed string, now int64) bool {
	window := a.window(now)
	refused := a.refused(slices.Max(window))
	accepted, used := int64(0), false
	for _, step := range window {
		switch {
		case a.code(step) != typed:
		case step <= refused:
			used = true
		case accepted == 0:
			accepted = step
		}
	}
	if accepted == 0 || used {
		return false
	}
	a.spend(accepted, accepted)
	return true
}

func (a *app) code(step int64) string {
	secret, _, err := totp.ParseImported(a.key.secret)
	if err != nil {
		panic(err)
	}
	code, err := totp.Key{Secret: secret, Algorithm: a.key.algorithm, Digits: a.key.digits, Weak: a.key.weak}.Code(step)
	if err != nil {
		panic(err)
	}
	return code
}

// presentCode is the rule of recovery codes, and of RedeemOperatorCode.
func (a *account) presentCode(m event.Method, c *challenge, typed, session string, now int64) answer {
	if typed == "" || len(typed) > 72 {
		return denied
	}
	text, ok := canonical(typed)
	foreign := m == event.MethodRecoveryCode && a.codes != nil && a.codes.imported
	guess := ok && (m == event.MethodRecoveryCode || a.reset != nil)
	if no, refused := a.refuses(m, c, guess || foreign && !a.codes.allEight(), now); refused {
		return no
	}
	var slots []code
	switch {
	case m == event.MethodOperatorCode && lies(a.reset.expires, now, a.reset.life):
		slots = []code{a.reset.code}
	case m == event.MethodRecoveryCode && a.codes != nil:
		slots = a.codes.list
	}
	i := slices.IndexFunc(slots, func(s code) bool {
		if foreign {
			return !s.used && !s.eight && (s.text == typed || s.plain && s.text == fold(typed))
		}
		return !s.used && s.text != "" && s.text == text
	})
	if i < 0 && !foreign {
		return a.missed(now)
	}
	if i < 0 {
		return a.guessed(m, now)
	}
	a.bucketFull = 0
	if m == event.MethodOperatorCode {
		a.reset.code.used = true
		return a.accepted(c, operatorCode, session, "", now)
	}
	a.codes.list[i].used = true
	return a.accepted(c, recoveryCode, session, "", now)
}

func (a *account) accepted(c *challenge, k kind, session, app string, now int64) answer {
	if c != nil {
		a.signIns++
	}
	switch k {
	case operatorCode:
		a.owe(notice{kind: event.OperatorCodeUsed, at: now})
	case recoveryCode:
		left := a.codes.left()
		a.owe(notice{kind: event.RecoveryCodeUsed, at: now, left: left})
		if left < 3 {
			a.owe(notice{kind: event.RecoveryCodesLow, at: now, left: left})
		}
	}
	a.completed(k, c != nil, now)
	return answer{app: app, left: a.codes.left(), proof: &proof{a.id, k, now, session, a.epoch, ""}}
}

// resync is the rule of Resync.
func (a *account) resync(c challenge, id, first, second string, now int64) answer {
	if !isTOTP(first) || !isTOTP(second) {
		return denied
	}
	if no, refused := a.refuses(event.MethodTOTP, &c, len(a.apps) > 0, now); refused {
		return no
	}
	i := a.find(id)
	if i < 0 {
		return denied
	}
	app, found, used := &a.apps[i], int64(0), false
	refused := app.refused(now/30 + 20)
	for step := now/30 - 20; step < now/30+20; step++ {
		switch {
		case app.code(step) != first || app.code(step+1) != second:
		case step <= refused:
			used = true
		case found == 0:
			found = step + 1
		}
	}
	if found == 0 || used {
		return a.guessed(event.MethodTOTP, now)
	}
	_, before := a.limits()
	app.spend(found-1, found)
	app.base = int(found - now/30)
	_, after := a.limits()
	a.strangers.wrong = a.strangers.wrong * after / before
	a.known.wrong = a.known.wrong * after / before
	return answer{}
}

var (
	totpForm = regexp.MustCompile(`\A([0-9]{6}|[0-9]{8})\z`)
	codeForm = regexp.MustCompile(`\A[0-9A-HJKMNP-TV-Z]{16}\z`)
	unfold   = strings.NewReplacer("-", "", " ", "", "I", "1", "L", "1", "O", "0")
)

func isTOTP(typed string) bool { return totpForm.MatchString(typed) }

// canonical reads a recovery code as people type it.
func canonical(typed string) (text string, ok bool) {
	if len(typed) > 64 {
		return "", false
	}
	text = unfold.Replace(strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, typed))
	return text, codeForm.MatchString(text)
}

func (c *codes) left() (n int) {
	if c != nil {
		for _, code := range c.list {
			if !code.used {
				n++
			}
		}
	}
	return n
}

// eights says how many unused codes are of eight digits.
func (c *codes) eights() (n int) {
	if c != nil {
		for _, code := range c.list {
			if code.eight && !code.used {
				n++
			}
		}
	}
	return n
}

// allEight says whether no code, used or not, is of any other kind.
func (c *codes) allEight() bool {
	return !slices.ContainsFunc(c.list, func(code code) bool { return !code.eight })
}

// fold is how a code is spelled that another system had in plain.
func fold(typed string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ' || r == '-':
			return -1
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		}
		return r
	}, typed)
}

func (a *account) find(id string) int {
	return slices.IndexFunc(a.apps, func(app app) bool { return app.id == id })
}

// pendingNow returns the pending enrollment if it has not expired.
func (a *account) pendingNow(now int64) *pending {
	if a.pending == nil || !lies(a.pending.expires, now, 10*minute) {
		return nil
	}
	return a.pending
}
