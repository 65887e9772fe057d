package report

// arrived is about the messages of the clients' traffic.
func (t *text) arrived() {
	scopes := t.s.Publishers()
	if len(scopes) == 0 {
		return
	}
	tb := &Table{}
	tb.Add(append([]string{"  messages"}, DeliveryHead...)...)
	tb.Optional(shortName, 7, 1)
	for _, s := range scopes {
		row := []string{"  all"}
		if s.In != "" {
			row[0] = "    in " + Clean(s.In, 20)
		}
		for i, m := range DeliveryColumns {
			if i < 7 {
				row = append(row, t.s.Figure(m, s).Text)
			} else {
				row = append(row, t.of(m, s))
			}
		}
		tb.Add(row...)
	}
	t.table("What arrived", tb)
	for _, l := range Wrap(DeliveryNote, t.o.Width-2) {
		t.say("  %s", t.paint(faint, l))
	}
	for _, f := range t.s.Fates() {
		for i, l := range Wrap(Clean(f, 4000), t.o.Width-4) {
			t.say("  %s%s", [2]string{"", "  "}[min(i, 1)], l)
		}
	}
}
