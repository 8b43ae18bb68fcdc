// The table of where a step's time goes.
namespace Microsoft.ML.Transfusion.Benchmarks;

internal static class StepTable
{
    private const int NameWidth = 38;

    /// <param name="times">Milliseconds of the step, its floor, and the floor's two halves: linear layers and attention.</param>
    /// <param name="makeBatch">What is done before a step, and on another thread where data is fetched ahead.</param>
    public static void Print(StepClock clock, int rounds, double[] times, StepParts parts, Action makeBatch)
    {
        (double step, double floor, double linear, double products) = (times[0], times[1], times[2], times[3]);
        double[] beside = clock.Medians(rounds, parts.Norms(), parts.Attentions(), parts.Gates(), parts.LanguageLoss(), parts.Update(), makeBatch);
        double attention = beside[1] - products;
        double rest = step - floor - attention - beside[0] - beside[2..5].Sum();
        (string Name, double Time, string How)[] lines =
        [
            ("linear layers' products", linear, "alone"),
            ("attention's products", products, "alone"),
            ("floor: all products", floor, "alone"),
            ("norms", beside[0], "alone"),
            ("rotary and attention beyond products", attention, "alone, less its products"),
            ("silu(gate) · up", beside[2], "alone"),
            ("language loss", beside[3], "alone"),
            ("clip, optimizer, average", beside[4], "alone"),
            ("embeddings, residuals, other", rest, "by difference"),
            ("step", step, "whole"),
            ("(batch making, before the step)", beside[5], "alone"),
        ];
        foreach ((string name, double time, string how) in lines)
            Console.WriteLine($"{name.PadRight(NameWidth)}{time,9:F2} ms {time / floor,8:P1}   {how}");
    }
}
