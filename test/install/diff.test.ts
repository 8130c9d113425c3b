import { describe, expect, test } from 'bun:test';
import { unifiedDiff } from '../../src/install/diff.ts';

const twenty = Array.from({ length: 20 }, (_, index) => `line ${index + 1}`).join('\n');

describe('unified difference', () => {
  test('nothing for equal texts', () => {
    expect(unifiedDiff('f', twenty, twenty)).toBe('');
  });

  test('two far changes are two hunks', () => {
    const after = `${twenty.replace('line 3', 'line three').replace('line 17', 'line 17\nnew')}`;
    expect(unifiedDiff('f', `${twenty}\n`, `${after}\n`)).toBe(`--- f
+++ f
@@ -1,6 +1,6 @@
 line 1
 line 2
-line 3
+line three
 line 4
 line 5
 line 6
@@ -15,6 +15,7 @@
 line 15
 line 16
 line 17
+new
 line 18
 line 19
 line 20
`);
  });

  test('near changes share a hunk, and a missing last line end is shown', () => {
    expect(unifiedDiff('f', 'a\nb\nc\nd\ne', 'A\nb\nc\nd\ne\n')).toBe(`--- f
+++ f
@@ -1,5 +1,5 @@
-a
+A
 b
 c
 d
-e
\\ No newline at end of file
+e
`);
  });

  test('from and to nothing', () => {
    expect(unifiedDiff('f', '', 'a\nb\n')).toBe('--- f\n+++ f\n@@ -0,0 +1,2 @@\n+a\n+b\n');
    expect(unifiedDiff('f', 'a\n', '')).toBe('--- f\n+++ f\n@@ -1 +0,0 @@\n-a\n');
  });
});
