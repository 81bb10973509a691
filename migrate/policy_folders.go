package migrate

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

func (c *checker) folders(f FolderPolicy, version TargetVersion) {
	c.folderMap(f, version)
	for i, rule := range f.Rules {
		c.folderRule(fmt.Sprintf("folders::rules::%d", i), rule, version)
	}
	for i, x := range f.Exclude {
		field := fmt.Sprintf("folders::exclude::%d", i)
		if c.folderPattern(field, x); strings.TrimSpace(x) != "" &&
			(strings.Trim(x, "*") == "" || strings.EqualFold(x, "INBOX*") || x == roleMark+string(RoleInbox)) {
			c.add(field, fmt.Sprintf("%s excludes every folder, or INBOX and all below", quoteShort(x)), "name the folders that are meant")
		}
	}
	for i, x := range f.Include {
		field := fmt.Sprintf("folders::include::%d", i)
		if c.folderPattern(field, x); x != "" && slices.Contains(f.Exclude, x) {
			c.add(field, fmt.Sprintf("%s is included and excluded", quoteShort(x)), "remove one of the two")
		}
	}
	for i, x := range f.SplitByYear {
		c.folderPattern(fmt.Sprintf("folders::split_by_year::%d", i), x)
	}
	if f.Into == "" {
		return
	}
	why := badTargetFolder(f.Into, version)
	if why == "" && wireLen(f.Into) > maxPathOctets/3 {
		why = "leaves too little room for the folders below it"
	}
	if why != "" {
		c.add("folders::into", fmt.Sprintf("the target folder %s %s", quoteShort(f.Into), why), `write a path with "/" between levels`)
	}
}

// folderPattern checks a name, a pattern or a role.
func (c *checker) folderPattern(field, x string) {
	role, isRole := strings.CutPrefix(x, roleMark)
	switch {
	case strings.TrimSpace(x) == "":
		c.add(field, "is empty", "write a folder's name, a pattern with *, or role:junk")
	case !isRole, slices.Contains(roleWords, role):
	case slices.Contains([]Role{RoleOutbox, RoleAll, RoleFlagged, RoleImportant}, Role(role)):
		c.add(field, fmt.Sprintf("folders of role %s are always left out", role), "remove it")
	default:
		c.add(field, fmt.Sprintf("%s isn't a role", quoteShort(role)), "write role: and "+Alternatives(roleWords))
	}
}

// folderRule checks a regular expression and what it makes.
func (c *checker) folderRule(field string, rule FolderRule, version TargetVersion) {
	re, err := rule.compile()
	switch {
	case rule.Match == "":
		c.add(field+"::match", "is missing", `write a regular expression for the folder's whole path, as in "Old/(.*)"`)
		return
	case err != nil:
		c.add(field+"::match", fmt.Sprintf("%s isn't a regular expression: %s", quoteShort(rule.Match), wrongIn(err)), "the syntax is RE2's; lookahead and backreferences aren't in it")
		return
	case rule.Exclude && rule.To != "":
		c.add(field+"::exclude", "the rule has a target, and excludes", "keep one of to and exclude")
		return
	case rule.Exclude:
		return
	case rule.To == "":
		c.add(field+"::to", "is missing", "write the target folder, in which $1 stands for the first group; or exclude: true")
		return
	}
	for _, m := range placeholders.FindAllStringSubmatch(rule.To, -1) {
		name := m[1] + m[2]
		n, err := strconv.Atoi(name)
		switch {
		case m[0] == "$$", err == nil && n <= re.NumSubexp(), err != nil && re.SubexpIndex(name) >= 0:
		case name == "":
			c.add(field+"::to", fmt.Sprintf("%s has a $ that stands for no group", quoteShort(rule.To)), "write $$ for a dollar")
		default:
			c.add(field+"::to", fmt.Sprintf("%s: the expression has no group %s", quoteShort(rule.To), quoteShort(name)), "write ${1} where letters or digits follow")
		}
	}
	sample := placeholders.ReplaceAllString(rule.To, "x")
	if why := badTargetFolder(sample, version); why != "" {
		c.add(field+"::to", fmt.Sprintf("the target folder %s %s", quoteShort(rule.To), why), `write a path with "/" between levels`)
	}
}

// wrongIn is what is wrong in a regular expression.
func wrongIn(err error) string {
	e, ok := errors.AsType[*syntax.Error](err)
	if !ok {
		return err.Error()
	}
	return fmt.Sprintf("%s in %s", e.Code, quoteShort(e.Expr))
}

// placeholders are what regexp.Expand looks for, and a lone $.
var placeholders = regexp.MustCompile(`\$(?:\$|([0-9A-Za-z_]+)|\{([0-9A-Za-z_]+)\}|)`)

// compile makes the expression match whole paths.
func (r FolderRule) compile() (*regexp.Regexp, error) {
	if _, err := regexp.Compile(r.Match); err != nil { // so that it is quoted as it was written
		return nil, err
	}
	return regexp.Compile(`^(?:` + r.Match + `)$`)
}

func (c *checker) folderMap(f FolderPolicy, version TargetVersion) {
	sources := make([]string, 0, len(f.Map))
	for source := range f.Map {
		sources = append(sources, source)
	}
	slices.Sort(sources)
	folded := map[string]string{}
	for _, source := range sources {
		target := f.Map[source]
		field := "folders::map::" + source
		if source == "" {
			c.add("folders::map", "has an empty source folder", "write the folder's name as the source lists it")
		}
		if strings.Contains(source, "*") {
			c.add(field, "a map takes whole names, no patterns", "write one line for each folder, those below it follow; or a rule under folders.rules")
		}
		if why := badTargetFolder(target, version); why != "" {
			c.add(field, fmt.Sprintf("the target folder %s %s", quoteShort(target), why), `write a path with "/" between levels`)
		}
		if other, known := folded[foldName(target)]; known && other != target {
			c.add(field, fmt.Sprintf("the target folder %s differs from %s by case alone", quoteShort(target), quoteShort(other)), "write them alike, if they are to be one folder")
		}
		folded[foldName(target)] = target
		if slices.ContainsFunc(f.Exclude, func(x string) bool { return matchName(x, source) }) {
			c.add(field, "is mapped, and excluded by folders::exclude", "remove one of the two")
		}
	}
}

// badTargetFolder says why a path isn't one that BlueMind takes unchanged, or
// "" if it is. See sanitizeLevel for names of the source.
func badTargetFolder(path string, version TargetVersion) string {
	top, _, _ := strings.Cut(path, "/")
	switch {
	case path == "":
		return "is empty"
	case strings.EqualFold(top, "Outbox"):
		return "is or lies below Outbox: BlueMind could send what is in it"
	case slices.ContainsFunc(reservedNames, func(n string) bool { return foldName(n) == foldName(top) }):
		return "lies in a name space of BlueMind that nobody can write to"
	case !utf8.ValidString(path):
		return "isn't UTF-8"
	case wireLen(path) > maxPathOctets:
		return "is too long"
	}
	for level := range strings.SplitSeq(path, "/") {
		switch {
		case level == "":
			return `has an empty level: a "/" at an end, or two in a row`
		case strings.TrimSpace(level) != level:
			return "has a space at an end of a level"
		case strings.ContainsFunc(level, unicode.IsControl):
			return "has a control character"
		case sanitizeLevel(level, version) != level:
			return "has a name that BlueMind would refuse or change"
		}
	}
	return ""
}
