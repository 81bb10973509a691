package objects

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"bmsync/bmapi"
)

// settingMaxVisio is how many accounts of type FULL_AND_VISIO a domain takes.
const settingMaxVisio = "domain_max_fullvisio_accounts"

// settingWords are the settings that a row can state, as changes call them.
var settingWords = map[string]string{
	bmapi.SettingDefaultUserQuota:  "user quota (KiB)",
	bmapi.SettingMaxUserQuota:      "user quota, at most (KiB)",
	bmapi.SettingDefaultShareQuota: "share quota (KiB)",
	bmapi.SettingMaxShareQuota:     "share quota, at most (KiB)",
	bmapi.SettingLang:              "language",
}

// settings are those that are stated.
func (want Domain) settings() map[string]string {
	out := map[string]string{}
	for key, q := range map[string]*int64{
		bmapi.SettingDefaultUserQuota: want.UserQuota, bmapi.SettingMaxUserQuota: want.UserQuotaMax,
		bmapi.SettingDefaultShareQuota: want.ShareQuota, bmapi.SettingMaxShareQuota: want.ShareQuotaMax,
	} {
		if q != nil {
			out[key] = strconv.FormatInt(*q, 10)
		}
	}
	if want.Language != "" {
		out[bmapi.SettingLang] = want.Language
	}
	return out
}

// quotaSetting is a setting in KiB; 0: none.
func quotaSetting(settings map[string]string, key string) int64 {
	n, _ := strconv.ParseInt(settings[key], 10, 64)
	return max(n, 0)
}

// badQuotas says which default is above its maximum, with what BlueMind has
// where nothing is stated.
func (want Domain) badQuotas(have map[string]string) *refusal {
	all := maps.Clone(have)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, want.settings())
	for _, pair := range [][2]string{{bmapi.SettingDefaultUserQuota, bmapi.SettingMaxUserQuota}, {bmapi.SettingDefaultShareQuota, bmapi.SettingMaxShareQuota}} {
		def, most := quotaSetting(all, pair[0]), quotaSetting(all, pair[1])
		if most > 0 && def > most {
			return because("correct domains: in bmsync.yaml", "%s: %d is above the maximum of %d KiB", settingWords[pair[0]], def, most)
		}
	}
	for key, value := range want.settings() {
		if n, err := strconv.ParseInt(value, 10, 64); key != bmapi.SettingLang && (err != nil || n < 0 || n > 1<<31-1) {
			return because("correct domains: in bmsync.yaml", "BlueMind does not take %s KiB as %s", value, settingWords[key])
		}
	}
	return nil
}

// settingSteps are the settings that are not as stated. Reading, changing and
// putting them back is one step, as a PUT replaces all.
func (m *Maker) settingSteps(ctx context.Context, r *realm, w Domain) ([]domainStep, *refusal, error) {
	want := w.settings()
	if len(want) == 0 {
		return nil, nil, nil
	}
	have, err := m.settingsOf(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	if bad := w.badQuotas(have); bad != nil {
		return nil, bad, nil
	}
	var from, to []string
	change := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		was, is := have[key], want[key]
		if strings.EqualFold(was, is) || key != bmapi.SettingLang && quotaSetting(have, key) == quotaSetting(want, key) {
			continue
		}
		if was == "" {
			was = "none"
		}
		change[key] = is
		from, to = append(from, settingWords[key]+" "+was), append(to, settingWords[key]+" "+is)
	}
	if len(change) == 0 {
		return nil, nil, nil
	}
	if m.Dry {
		r.plan(nil, change)
	}
	return []domainStep{{Change{"settings", strings.Join(from, ", "), strings.Join(to, ", ")}, func() error {
		return m.putSettings(ctx, r, change)
	}}}, nil, nil
}

func (m *Maker) putSettings(ctx context.Context, r *realm, change map[string]string) error {
	r.settings.forget() // what changes is laid over what is there now
	now, err := m.Admin.Settings(ctx, r.uid)
	if err != nil {
		return err
	}
	maps.Copy(now, change)
	return m.Admin.PutSettings(ctx, r.uid, now)
}

// setAliases gives a domain its aliases. A task whose outcome nobody knows is
// settled by looking.
func (m *Maker) setAliases(ctx context.Context, uid string, all []string) error {
	err := m.Admin.SetAliases(ctx, uid, all)
	if err == nil || answered(err) || taskFailed(err) || ctx.Err() != nil {
		return err
	}
	d, lookErr := m.Admin.Domain(ctx, uid)
	if lookErr != nil {
		return errors.Join(err, fmt.Errorf("look at domain %s: %w", uid, lookErr))
	}
	if slices.ContainsFunc(all, func(n string) bool { return !d.Has(n) }) {
		return err
	}
	return nil
}

// taskFailed tells whether work of the server's own ended in error.
func taskFailed(err error) bool {
	_, ok := errors.AsType[*bmapi.TaskError](err)
	return ok
}
