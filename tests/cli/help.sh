# The program says what it does, and what it does not know.
"$TARE" --version
"$TARE" --help >help.txt
grep -c '^usage: tare COMMAND' help.txt
"$TARE" nosuch
