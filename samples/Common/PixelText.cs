// Text of square dots, five rows high. A bare Debian has no fonts, and SkiaSharp draws nothing without one; this looks the same everywhere.
// Small letters look like capitals; what has no glyph here shows as a box.
using System.Collections.Frozen;
using SkiaSharp;

namespace Samples.Common;

public static class PixelText
{
    private const int Rows = 5;
    private const int Gap = 1;                                     // between letters, in dots

    private static readonly FrozenDictionary<char, string[]> Glyphs = ((string[])
    [
        "  ../../../../..", "A .#./#.#/###/#.#/#.#", "B ##./#.#/##./#.#/##.", "C .##/#../#../#../.##", "D ##./#.#/#.#/#.#/##.",
        "E ###/#../##./#../###", "F ###/#../##./#../#..", "G .##/#../#.#/#.#/.##", "H #.#/#.#/###/#.#/#.#", "I #/#/#/#/#",
        "J ..#/..#/..#/#.#/.#.", "K #.#/#.#/##./#.#/#.#", "L #../#../#../#../###", "M #...#/##.##/#.#.#/#...#/#...#",
        "N #..#/##.#/#.##/#..#/#..#", "O .#./#.#/#.#/#.#/.#.", "P ##./#.#/##./#../#..", "Q .##./#..#/#..#/#.##/.###",
        "R ##./#.#/##./#.#/#.#", "S .##/#../.#./..#/##.", "T ###/.#./.#./.#./.#.", "U #.#/#.#/#.#/#.#/###", "V #.#/#.#/#.#/#.#/.#.",
        "W #...#/#...#/#.#.#/##.##/#...#", "X #.#/#.#/.#./#.#/#.#", "Y #.#/#.#/.#./.#./.#.", "Z ###/..#/.#./#../###",
        "0 ###/#.#/#.#/#.#/###", "1 .#/##/.#/.#/.#", "2 ##./..#/.#./#../###", "3 ##./..#/.#./..#/##.", "4 #.#/#.#/###/..#/..#",
        "5 ###/#../##./..#/##.", "6 .##/#../###/#.#/###", "7 ###/..#/.#./.#./.#.", "8 ###/#.#/###/#.#/###", "9 ###/#.#/###/..#/##.",
        ". ././././#", ", ../../../.#/#.", ": ./#/./#/.", "- .../.../###/.../...", "+ .../.#./###/.#./...", "/ ..#/..#/.#./#../#..",
        "= .../###/.../###/...", "Λ #../.#./.#./#.#/#.#", "≤ ..#/##./..#/.../###", "× .../#.#/.#./#.#/...",
        "( .#/#./#./#./.#", ") #./.#/.#/.#/#.", "% #.#/..#/.#./#../#.#", "' #/#/././.", "! #/#/#/./#", "? ##./..#/.#./.../.#.",
    ]).ToFrozenDictionary(entry => entry[0], entry => entry[2..].Split('/'));

    private static readonly string[] Unknown = "###/###/###/###/###".Split('/');

    /// <summary>Height in pixels of one line.</summary>
    public static int Height(int dot) => Rows * dot;

    /// <summary>Width in pixels of a line of text.</summary>
    public static int Width(string text, int dot) => Math.Max(text.Sum(letter => Glyph(letter)[0].Length + Gap) - Gap, 0) * dot;

    /// <summary>Draws a line of text with its top left at (x, y).</summary>
    public static void Draw(SKCanvas canvas, string text, float x, float y, int dot, SKColor color)
    {
        using SKPaint paint = new() { Color = color };
        foreach (string[] glyph in text.Select(Glyph))
        {
            for (int row = 0; row < Rows; row++)
            {
                for (int column = 0; column < glyph[row].Length; column++)
                {
                    if (glyph[row][column] == '#')
                        canvas.DrawRect(x + column * dot, y + row * dot, dot, dot, paint);
                }
            }
            x += (glyph[0].Length + Gap) * dot;
        }
    }

    /// <summary>Breaks text between words so that no line is wider than <paramref name="width"/>, where words allow.</summary>
    public static IReadOnlyList<string> Wrap(string text, int width, int dot)
    {
        List<string> lines = [];
        foreach (string word in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (lines.Count > 0 && Width($"{lines[^1]} {word}", dot) <= width)
                lines[^1] = $"{lines[^1]} {word}";
            else
                lines.Add(word);
        }
        return lines;
    }

    private static string[] Glyph(char letter) => Glyphs.GetValueOrDefault(char.ToUpperInvariant(letter), Unknown);
}
