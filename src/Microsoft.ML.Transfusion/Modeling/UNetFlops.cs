// Floating-point operations of the U-Net around the transformer, for one image.
namespace Microsoft.ML.Transfusion.Modeling;

internal static class UNetFlops
{
    private const int Taps = 9;                             // of a 3×3 convolution

    public static double Of(UNetPatchShape shape, bool down, bool up, bool backward)
    {
        int times = backward ? 3 : 1;
        // The latents' own gradient is wanted by nobody.
        double first = (backward ? 2 : 1) * Product(Places(shape, 0) * Taps, shape.PlaceValues, shape.Channels[0]);
        return (down ? FlopCount.Time(shape.TimeSize, shape.TimeSize, backward) + first + times * Down(shape) : 0) + (up ? times * Up(shape) : 0);
    }

    private static double Down(UNetPatchShape shape)
    {
        IReadOnlyList<int> channels = shape.Channels;
        double sum = Product(shape.Grid.PatchCount, channels[^1], shape.HiddenSize);
        for (int level = 0; level < channels.Count; level++)
        {
            for (int layer = 0; layer < shape.Layers; layer++)
                sum += Resnet(Places(shape, level), layer == 0 ? channels[Math.Max(level - 1, 0)] : channels[level], channels[level], shape.TimeSize);
            if (level < channels.Count - 1)
                sum += Product(Places(shape, level + 1) * Taps, channels[level], channels[level]);
        }
        return sum;
    }

    private static double Up(UNetPatchShape shape)
    {
        IReadOnlyList<int> channels = shape.Channels;
        double sum = Product(shape.Grid.PatchCount, shape.HiddenSize, channels[^1]) + Product(Places(shape, 0) * Taps, channels[0], shape.PlaceValues);
        for (int level = channels.Count - 1; level >= 0; level--)
        {
            int output = channels[Math.Max(level - 1, 0)];
            for (int layer = 0; layer < shape.Layers; layer++)
                sum += Resnet(Places(shape, level), (layer == 0 ? channels[level] : output) + channels[level], output, shape.TimeSize);
            if (level > 0)
                sum += Product(Places(shape, level - 1) * Taps, output, output);
        }
        return sum;
    }

    private static double Resnet(double places, int inputs, int outputs, int timeSize) =>
        Product(places * Taps, inputs, outputs) + Product(places * Taps, outputs, outputs) + Product(1, timeSize, outputs) + (inputs == outputs ? 0 : Product(places, inputs, outputs));

    /// <summary>Places of an image at a level: a quarter from level to level.</summary>
    private static double Places(UNetPatchShape shape, int level) => (double)shape.Grid.Height * shape.Grid.Width / (shape.PlaceSize * shape.PlaceSize) / Math.Pow(4, level);

    private static double Product(double rows, double inputs, double outputs) => 2 * rows * inputs * outputs;
}
