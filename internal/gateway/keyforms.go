package gateway

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/keys"
	"github.com/token2go/token2go/internal/store"
)

// makeForm is the form that makes a key: empty, or with what was typed and what is wrong.
func (s *Server) makeForm(r *http.Request, actor keys.Actor, typed values, errors map[string]string) *keyForm {
	policy := s.options.Keys.Policy(actor)
	f := &keyForm{
		Action: s.prefix(r) + "/keys", Hidden: []field{{"once", newOnce()}}, Values: typed, Errors: errors, Problem: errors[""],
		AllRoles: true, SomeRoles: typed.get("roleChoice") == "some", InURL: policy.InURL,
		Lifetimes: lifetimes(policy, typed.get("ttl")), Periods: periods(typed.get("per")),
		Apps: choices(appsOf(policy), typed["apps"]), Roles: choices(actor.Person.Roles, typed["roles"]),
	}
	if len(policy.Kinds) > 1 {
		f.Kinds = kinds(policy.Kinds, typed.get("kind"))
	}
	if policy.MaxTTL > 0 {
		f.LastDay = s.options.Now().UTC().Add(policy.MaxTTL).Format(time.DateOnly)
	}
	return f
}

// changeForm is the form that changes a key, with what the key has now.
func (s *Server) changeForm(r *http.Request, actor keys.Actor, key store.Key, typed values, errors map[string]string) *keyForm {
	if typed == nil {
		typed = values{
			"name": {key.Name}, "note": {key.Note}, "apps": key.Apps, "networks": texts(key.Networks), "hosts": texts(key.Hosts), "roles": key.Roles,
		}
	}
	roles := key.Roles
	if roles == nil {
		roles = actor.Person.Roles
	}
	return &keyForm{
		Action: s.prefix(r) + "/keys/" + key.ID.String(), Values: typed, Errors: errors, Problem: errors[""],
		AllRoles: key.Roles == nil, SomeRoles: key.Roles != nil || typed.get("roleChoice") == "some",
		Apps: choices(appsOf(s.options.Keys.Policy(actor)), typed["apps"]), Roles: choices(roles, typed["roles"]),
	}
}

// rotateForm is the form that replaces a key. at is the key's path.
func (s *Server) rotateForm(at string, errors map[string]string) *keyForm {
	f := &keyForm{Action: at + "/rotate", Hidden: []field{{"once", newOnce()}}, Errors: errors, Problem: errors[""]}
	for _, span := range []time.Duration{24 * time.Hour, time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour} {
		f.Overlaps = append(f.Overlaps, choice{Value: spanText(span), Label: "in " + spanWords(span)})
	}
	f.Overlaps = append(f.Overlaps, choice{Value: "0s", Label: "at once"})
	return f
}

// appsOf are the operator's applications, with that which stands for all of them.
func appsOf(policy keys.Policy) []string {
	if policy.Apps == nil {
		return nil
	}
	return append(slices.Clone(policy.Apps), apikey.EveryApp)
}

// choices marks those entries that were chosen.
func choices(all, chosen []string) []choice {
	list := make([]choice, len(all))
	for i, entry := range all {
		list[i] = choice{entry, entry, slices.Contains(chosen, entry)}
	}
	return list
}

func kinds(allowed []apikey.Kind, chosen string) []choice {
	labels := map[apikey.Kind]string{
		apikey.Opaque: "Usual key", apikey.JWT: "Signed key (JWT), which applications check offline",
	}
	var list []choice
	for _, kind := range allowed {
		if label, known := labels[kind]; known {
			list = append(list, choice{kind.String(), label, kind.String() == chosen})
		}
	}
	return list
}

// lifetimes are those that the policy allows, with its default chosen.
func lifetimes(policy keys.Policy, typed string) []choice {
	const day = 24 * time.Hour
	spans := []time.Duration{time.Hour, day, 7 * day, 30 * day, 90 * day, 180 * day, 365 * day, policy.MinTTL, policy.DefaultTTL, policy.MaxTTL}
	slices.Sort(spans)
	if typed == "" {
		typed = spanText(policy.DefaultTTL)
	}
	var list []choice
	for _, span := range slices.Compact(spans) {
		if span > 0 && span >= policy.MinTTL && (policy.MaxTTL == 0 || span <= policy.MaxTTL) {
			list = append(list, choice{spanText(span), spanWords(span), spanText(span) == typed})
		}
	}
	if policy.Never {
		list = append(list, choice{"never", "Without end", typed == "never"})
	}
	return list
}

func periods(chosen string) []choice {
	if chosen == "" {
		chosen = "1m"
	}
	return []choice{{"1s", "second", chosen == "1s"}, {"1m", "minute", chosen == "1m"}, {"1h", "hour", chosen == "1h"}, {"1d", "day", chosen == "1d"}}
}

// spanWords is a span as people say it.
func spanWords(span time.Duration) string {
	const day = 24 * time.Hour
	count := func(n int, unit string) string {
		if n == 1 {
			return "1 " + unit
		}
		return strconv.Itoa(n) + " " + unit + "s"
	}
	switch {
	case span >= day && span%day == 0:
		return count(int(span/day), "day")
	case span >= time.Hour && span%time.Hour == 0:
		return count(int(span/time.Hour), "hour")
	case span >= time.Minute && span%time.Minute == 0:
		return count(int(span/time.Minute), "minute")
	}
	return span.String()
}
