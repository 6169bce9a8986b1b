# What is wrong is said before any model is opened; nothing is written.
head -c 5000 "$ROOT/data/sample/images/000000000030.jpg" >cut.jpg
cp "$ROOT/data/README.md" text.jpg
"$TARE" predict cut.jpg -o out.jpg || echo "exit $?"
"$TARE" predict text.jpg -o out.jpg || echo "exit $?"
"$TARE" predict none.jpg -o out.jpg || echo "exit $?"
"$TARE" predict || echo "exit $?"
"$TARE" predict cut.jpg --min-score 2 || echo "exit $?"
"$TARE" predict cut.jpg --json -o - || echo "exit $?"
"$TARE" predict cut.jpg --model none.onnx || echo "exit $?"
ls
