using Samples.Common;
using SkiaSharp;

namespace Microsoft.ML.Transfusion.Samples.Tests.Common;

public class PixelTextTests
{
    [Fact]
    public void Draw_gives_every_letter_and_digit_its_own_look()
    {
        const string Letters = "abcdefghijklmnopqrstuvwxyz0123456789.,:-+/()%'!? é";
        Assert.Equal(Letters.Length, Letters.Select(letter => Drawn(letter.ToString())).Distinct().Count());
    }

    [Fact]
    public void Draw_stays_within_Width_and_Height()
    {
        const string Text = "Sphinx of black quartz, judge my vow! 0123456789 (1/2) 50% é";
        using SKBitmap bitmap = new(PixelText.Width(Text, 2) + 20, PixelText.Height(2) + 20);
        using (SKCanvas canvas = new(bitmap))
            PixelText.Draw(canvas, Text, 10, 10, 2, SKColors.Black);
        for (int y = 0; y < bitmap.Height; y++)
        {
            for (int x = 0; x < bitmap.Width; x++)
            {
                bool inside = x >= 10 && x < bitmap.Width - 10 && y >= 10 && y < bitmap.Height - 10;
                Assert.True(inside || bitmap.GetPixel(x, y).Alpha == 0, $"ink at {x}, {y}");
            }
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("word")]
    [InlineData("a small magenta triangle right of a large magenta triangle")]
    public void Wrap_keeps_every_word_in_lines_that_fit(string text)
    {
        IReadOnlyList<string> lines = PixelText.Wrap(text, width: 160, dot: 2);
        Assert.Equal(text, string.Join(' ', lines));
        Assert.All(lines, line => Assert.InRange(PixelText.Width(line, 2), 1, 160));
    }

    private static string Drawn(string text)
    {
        using SKBitmap bitmap = new(12, 12);
        using (SKCanvas canvas = new(bitmap))
            PixelText.Draw(canvas, text, 0, 0, 1, SKColors.Black);
        return string.Concat(bitmap.Pixels.Select(pixel => pixel.Alpha > 0 ? '#' : '.'));
    }
}
