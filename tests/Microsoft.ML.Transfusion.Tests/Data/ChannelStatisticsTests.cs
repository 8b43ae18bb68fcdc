using Microsoft.ML.Transfusion.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Data;

public class ChannelStatisticsTests
{
    [Fact]
    public void Mean_and_spread_are_those_of_all_values_of_a_channel_and_a_constant_has_spread_1()
    {
        using var scope = NewDisposeScope();
        Tensor[] values = [.. Enumerable.Range(0, 20).Select(row => randn([2, 1, 5], generator: new Generator((ulong)row, CPU)) * 3 + 1e4)];
        var statistics = new ChannelStatistics(3);
        foreach (Tensor row in values)
            statistics.Add(cat([row, full([1, 1, 5], 7f)], 0));

        Tensor all = stack(values);
        for (int channel = 0; channel < 2; channel++)
        {
            Tensor own = all.select(1, channel).to(ScalarType.Float64);
            Assert.Equal(own.mean().ToDouble(), statistics.Mean[channel], 1e-2);
            Assert.Equal(own.std(unbiased: false).ToDouble(), statistics.StandardDeviation[channel], 1e-4);
        }
        Assert.Equal((7f, 1f), (statistics.Mean[2], statistics.StandardDeviation[2]));
    }
}
