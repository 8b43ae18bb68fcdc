using System.Text;
using Microsoft.ML.Transfusion.Torch;

namespace Microsoft.ML.Transfusion.Tests.Torch;

public class LibStdCxxCompatibilityTests
{
    private const string ReplacedSymbol = "_ZNSt8ios_base4InitC1Ev";

    [SkippableFact]
    public void Repair_changes_one_symbol_and_the_version_it_needs_and_nothing_else()
    {
        byte[] image = Read("libLibTorchSharp.so");
        int name = Find(image, LibStdCxxCompatibility.NewSymbol);

        byte[] repaired = LibStdCxxCompatibility.Repair([.. image]);

        Assert.Equal(image.Length, repaired.Length);
        Assert.Equal(ReplacedSymbol + '\0', Encoding.ASCII.GetString(repaired, name, ReplacedSymbol.Length + 1));
        int[] changed = [.. Enumerable.Range(0, image.Length).Where(i => image[i] != repaired[i])];
        int[] outsideName = [.. changed.Where(i => i < name || i >= name + LibStdCxxCompatibility.NewSymbol.Length)];
        // The symbol's version index, and the hash and the name of the version that was needed.
        Assert.InRange(outsideName.Length, 3, 2 + 4 + 4);
        Assert.Equal("\x7f" + "ELF", Encoding.ASCII.GetString(repaired, 0, 4));
    }

    [SkippableFact]
    public void Repair_leaves_nothing_to_repair()
    {
        byte[] repaired = LibStdCxxCompatibility.Repair(Read("libLibTorchSharp.so"));

        Assert.Equal(-1, Find(repaired, LibStdCxxCompatibility.NewSymbol));
        Assert.Equal(repaired, LibStdCxxCompatibility.Repair([.. repaired]));
    }

    [SkippableFact]
    public void Repair_returns_a_library_that_does_not_need_it_as_it_is()
    {
        byte[] image = Read("libc10.so");

        Assert.Equal(image, LibStdCxxCompatibility.Repair([.. image]));
    }

    [SkippableFact]
    public void Repair_refuses_when_another_symbol_needs_the_new_version()
    {
        byte[] image = Read("libLibTorchSharp.so");
        string other = LibStdCxxCompatibility.NewSymbol[..^1] + 'z';
        Encoding.ASCII.GetBytes(other).CopyTo(image, Find(image, LibStdCxxCompatibility.NewSymbol));

        var error = Assert.Throws<BadImageFormatException>(() => LibStdCxxCompatibility.Repair(image));

        Assert.Contains(other, error.Message, StringComparison.Ordinal);
    }

    [SkippableTheory]
    [InlineData(0)]
    [InlineData(50)]
    [InlineData(100_000)]
    public void Repair_says_of_a_truncated_library_that_it_is_damaged(int length)
    {
        byte[] image = Read("libLibTorchSharp.so");

        var error = Assert.Throws<BadImageFormatException>(() => LibStdCxxCompatibility.Repair(image[..length]));

        Assert.Contains("truncated", error.Message, StringComparison.Ordinal);
    }

    private static int Find(byte[] image, string text) => image.AsSpan().IndexOf(Encoding.ASCII.GetBytes(text + '\0'));

    private static byte[] Read(string library)
    {
        string path = Path.Combine(AppContext.BaseDirectory, library);
        Skip.IfNot(File.Exists(path), $"{library} is not among the files of these tests: not Linux, or built with TorchBackend=none.");
        return File.ReadAllBytes(path);
    }
}
