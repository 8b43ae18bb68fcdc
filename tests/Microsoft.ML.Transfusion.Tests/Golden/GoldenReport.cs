// What the golden tests saw: one line for each recording and quantity, with the largest difference. Golden.targets prints it after the run.
using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Golden;

internal static class GoldenReport
{
    private const string FileName = "golden-report.md";

    private static readonly Lock Gate = new();
    private static readonly SortedDictionary<(string Fixture, string Quantity), Line> Lines = [];

    static GoldenReport() => AppDomain.CurrentDomain.ProcessExit += (_, _) => Write();

    /// <summary>The relative difference is that of the largest absolute difference to the largest expected value.</summary>
    public static void Add(string fixture, string quantity, Tensor expected, Tensor actual, double tolerance)
    {
        using var scope = NewDisposeScope();
        double difference = expected.shape.SequenceEqual(actual.shape) ? TensorAssert.LargestDifference(expected, actual) : double.PositiveInfinity;
        double largest = expected.NumberOfElements == 0 ? 0 : expected.detach().to(ScalarType.Float64).abs().max().ToDouble();
        Add(fixture, quantity, new Line(difference, Share(difference, largest), tolerance, IsRelative: false));
    }

    /// <summary>Returns the difference that the tolerance speaks of.</summary>
    public static double Add(string fixture, string quantity, double expected, double actual, double tolerance, bool relative)
    {
        double difference = Math.Abs(expected - actual), share = Share(difference, Math.Abs(expected));
        Add(fixture, quantity, new Line(difference, share, tolerance, relative));
        return relative ? share : difference;
    }

    private static double Share(double difference, double of) => difference == 0 ? 0 : difference / of;

    private static void Add(string fixture, string quantity, Line line)
    {
        lock (Gate)
            Lines[(fixture, quantity)] = Lines.TryGetValue((fixture, quantity), out Line? before) ? before.With(line) : line;
    }

    private static void Write()
    {
        lock (Gate)
        {
            if (Lines.Count == 0)
                return;
            int fixtures = Lines.Keys.Max(key => key.Fixture.Length), quantities = Lines.Keys.Max(key => key.Quantity.Length);
            string Row(string fixture, string quantity, string absolute, string relative, string tolerance) =>
                $"| {fixture.PadRight(fixtures)} | {quantity.PadRight(quantities)} | {absolute,9} | {relative,9} | {tolerance,-16} |";
            File.WriteAllLines(Path.Combine(AppContext.BaseDirectory, FileName),
            [
                $"Recordings of {GoldenFile.Folder}: largest differences",
                "",
                Row("fixture", "quantity", "absolute", "relative", "tolerance"),
                Row(new string('-', fixtures), new string('-', quantities), new string('-', 9), new string('-', 9), new string('-', 16)),
                .. Lines.Select(line => Row(line.Key.Fixture, line.Key.Quantity, Number(line.Value.Absolute), Number(line.Value.Relative),
                    Number(line.Value.Tolerance) + (line.Value.IsRelative ? " relative" : ""))),
            ]);
        }
    }

    private static string Number(double value) => value == 0 ? "0" : value.ToString("0.0e-0", CultureInfo.InvariantCulture);

    private sealed record Line(double Absolute, double Relative, double Tolerance, bool IsRelative)
    {
        public Line With(Line other) => this with { Absolute = Math.Max(Absolute, other.Absolute), Relative = Math.Max(Relative, other.Relative), Tolerance = Math.Max(Tolerance, other.Tolerance) };
    }
}
